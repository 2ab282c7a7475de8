# Whether a trace is as the Trace Event Format has it, and what alloctrace makes of it besides.
# `jq -e -n -f chrome.jq FILE` fails with a sentence.

def whole: type == "number" and . == floor and . >= 0;

def must($what; condition): if condition then empty else error("\($what): \(tojson)") end;

def check_call:
  must("a call has a time"; (.ts | type) == "number" and (.dur | type) == "number" and .dur >= 0),
  must("a call has a name and a kind"; (.name | type) == "string" and (.cat | IN("alloc", "free", "realloc", "create", "destroy"))),
  must("a call has a thread"; (.tid | whole)),
  must("what is said of a call"; (.args | type) == "object" and (.args | length) > 0);

def check_counter:
  must("a counter has a time"; (.ts | type) == "number"),
  must("a counter has one value"; (.args | length) == 1 and (.args[] | whole));

def check_event:
  must("an event has a process"; .pid | whole),
  if .ph == "X" then check_call
  elif .ph == "C" then check_counter
  elif .ph == "M" then must("a name"; (.name | IN("process_name", "thread_name")) and (.args.name | type) == "string")
  elif .ph == "i" then must("a mark"; (.s | IN("g", "t")) and (.ts | type) == "number")
  else error("phase \(.ph)") end;

# Named before its first call.
def check_names:
  reduce .[] as $e ({};
    if $e.ph == "M" then .["\($e.name) \($e.pid) \(if $e.name == "thread_name" then $e.tid else "" end)"] = true
    elif $e.ph == "X" and (.["process_name \($e.pid) "] and .["thread_name \($e.pid) \($e.tid)"] | not)
    then error("no name: \($e | tojson)") else . end)
  | empty;

# Once a millisecond, by process.
def check_counters:
  group_by([.pid, .name])[] | [.[].ts]
  | range(1; length) as $i
  | must("a counter too often"; .[$i] - .[$i - 1] >= 999.999);

[inputs]
| if length == 1 then .[0] else error("\(length) values") end
| must("the object"; .displayTimeUnit == "ns" and (.traceEvents | type) == "array" and (.otherData | type) == "object"),
  (.traceEvents[] | check_event),
  (.traceEvents | check_names, ([.[] | select(.ph == "C")] | check_counters)),
  true
