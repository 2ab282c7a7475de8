# The types of every JSON line's fields. `jq -e -n -f contract.jq FILE` fails with a sentence.

def whole: type == "number" and . == floor and . >= 0;
def amount: type == "number" and . >= 0;
def address: type == "string" and test("^0x[0-9a-f]+$");
def text: type == "string";
def yes: . == true;

# Every field that is there is known, and of its type.
def typed($line; types):
  to_entries[]
  | . as $e
  | types[$e.key] as $t
  | if $t == null then error("line \($line): unknown field \($e.key)")
    elif ($e.value
          | if $t == "whole" then whole
            elif $t == "amount" then amount
            elif $t == "number" then type == "number"
            elif $t == "address" then address
            elif $t == "text" then text
            elif $t == "yes" then yes
            elif $t == "boolean" then type == "boolean"
            elif $t == "list" then type == "array"
            else type == "object" end)
    then empty
    else error("line \($line): \($e.key) is not \($t): \($e.value)") end;

def has_all($line; names): . as $o | names[] | . as $n
  | if $o | has($n) then empty else error("line \($line): no \($n)") end;

def check($line; types; required): has_all($line; required), typed($line; types);

def total_types: {count: "whole", bytes: "whole", failed: "whole", null: "whole", freed: "whole",
                  weighted_bytes: "whole", weighted_count: "amount"};
def live_types: {blocks: "whole", bytes: "whole"};
def estimate_types: {blocks: "amount", bytes: "amount"};

# All of these, or none.
def together($line; names): . as $o
  | [names[] | . as $n | $o | has($n)] | unique
  | if length == 1 then empty else error("line \($line): not all of \(names)") end;

def check_start($n):
  check($n; {type: "text", version: "text", kernel: "text", targets: "list", functions: "list",
             clock: "text", start_ns: "whole"};
        ["version", "kernel", "targets", "functions", "clock", "start_ns"]),
  (.targets[] | if whole then empty else error("line \($n): a target is no number") end),
  (.functions[] | if text then empty else error("line \($n): a function is no name") end);

def check_frame($n):
  check($n; {function: "text", file: "text", line: "whole", column: "whole", module: "text",
             offset: "address", module_offset: "address", inlined: "yes"};
        ["module", "module_offset"]);

def check_event($n):
  check($n; {type: "text", call: "text", kind: "text", ts_ns: "whole", pid: "whole", tid: "whole",
             comm: "text", size: "whole", overflow: "yes", align: "whole", addr: "address", old_addr: "address",
             old_size: "whole", failed: "yes", latency_ns: "whole", pool: "text",
             pool_addr: "address", base: "address", chunk_size: "whole", chunk_count: "whole",
             ns_pid: "whole", ns_tid: "whole", weighted_bytes: "whole", stack: "list"};
        ["call", "kind", "ts_ns", "pid", "tid", "comm"]),
  together($n; ["ns_pid", "ns_tid"]),
  (if [.kind] - ["alloc", "free", "realloc", "create", "destroy"] == [] then empty
   else error("line \($n): kind \(.kind)") end),
  ((.stack // [])[] | check_frame($n));

def check_bucket($n):
  check($n; {lo: "whole", hi: "whole", count: "whole"}; ["lo", "hi", "count"]),
  (if .lo < .hi then empty else error("line \($n): an empty bucket") end);

def check_histogram($n):
  check($n; {type: "text", call: "text", unit: "text", count: "whole", buckets: "list",
             p50: "whole", p90: "whole", p99: "whole", p999: "whole", max: "whole", mean: "whole",
             measured: "text", final: "boolean"};
        ["call", "unit", "count", "final", "buckets", "p50", "p90", "p99", "p999", "max", "mean"]),
  (.buckets[] | check_bucket($n)),
  (if ([.buckets[].count] | add) == .count then empty
   else error("line \($n): the buckets do not sum to count") end),
  (if .p50 <= .p90 and .p90 <= .p99 and .p99 <= .p999 and .p999 <= .max then empty
   else error("line \($n): the percentiles do not rise") end);

# A lane of `compare`. What could not be measured has no latencies.
def latency_types: {p50: "amount", p90: "amount", p99: "amount", p999: "amount", max: "amount", mean: "amount"};

def check_lane($n):
  check($n; latency_types + {type: "text", call: "text", measured: "text", class: "text", group: "whole",
             count: "whole", disturbed: "whole", failed: "whole", unit: "text", buckets: "list",
             corrected: "object", floor_ns: "amount", cost_ns: "amount", final: "boolean"};
        ["call", "measured", "class", "count", "final"]),
  together($n; ["unit", "buckets", "p50", "p90", "p99", "p999", "max", "mean"]),
  together($n; ["corrected", "floor_ns", "cost_ns"]),
  ((.buckets // [])[] | check($n; {lo: "amount", hi: "amount", count: "whole"}; ["lo", "hi", "count"])),
  (if .buckets and ([.buckets[].count] | add) != .count
   then error("line \($n): the buckets do not sum to count") else empty end),
  ((., .corrected // empty) | select(.p50)
   | if .p50 <= .p90 and .p90 <= .p99 and .p99 <= .p999 and .p999 <= .max then empty
     else error("line \($n): the percentiles do not rise") end),
  ((.corrected // empty)
   | check($n; latency_types + {p50_interval: "list"}; ["p50", "p90", "p99", "p999", "max", "mean"]));

def check_interval($n; $at): (.[0] <= $at and $at <= .[1] and length == 2)
  | if . then empty else error("line \($n): \($at) is not in its interval") end;

def check_verdict($n):
  check($n; {type: "text", pool: "text", op: "text", against: "text", like_with_like: "boolean",
             verdict: "text", p50: "list", mean: "list", difference_ns: "number",
             resolution_ns: "amount", p50_interval: "list", against_p50_interval: "list",
             difference_interval: "list", ratio: "amount", ratio_interval: "list",
             at_least: "amount", method: "text", resamples: "whole", sentence: "text",
             final: "boolean"};
        ["verdict", "sentence", "final"]),
  together($n; ["pool", "op"]),
  together($n; ["against", "like_with_like"]),
  together($n; ["p50", "mean", "difference_ns", "resolution_ns"]),
  together($n; ["p50_interval", "against_p50_interval", "difference_interval", "method", "resamples"]),
  together($n; ["ratio", "ratio_interval"]),
  (if .verdict | IN("faster", "slower", "cannot-tell", "too-few") then empty
   else error("line \($n): verdict \(.verdict)") end),
  (if .verdict == "faster" or .verdict == "slower"
   then if .difference_interval and (.difference_ns | fabs) > .resolution_ns
           and (.verdict == "faster") == (.difference_ns > 0)
           and .difference_interval[0] * .difference_interval[1] > 0 then empty
        else error("line \($n): the verdict does not follow") end
   else empty end),
  (. as $o | (.p50_interval // empty) | check_interval($n; $o.p50[0])),
  (. as $o | (.against_p50_interval // empty) | check_interval($n; $o.p50[1])),
  (. as $o | (.difference_interval // empty) | check_interval($n; $o.difference_ns)),
  (. as $o | (.ratio_interval // empty) | check_interval($n; $o.ratio));

def check_books($n):
  check($n; {type: "text", elapsed_ns: "whole", calls: "object", live: "object",
             unmatched_frees: "whole", superseded: "whole", pools: "list", lost: "object",
             unreadable_stacks: "whole", in_flight: "whole", entered: "whole", events: "whole",
             ignored: "whole", main_left: "whole", untracked: "whole", unfollowed: "whole",
             late_probes: "whole", late_ns: "whole", inherited_frees: "whole",
             live_of_ended: "object", live_estimated: "object", sample_bytes: "whole",
             calls_counted: "whole", command: "text"};
        ["calls", "lost", "events", "entered", "in_flight"]),
  (.calls[] | check($n; total_types; ["count"]), together($n; ["weighted_bytes", "weighted_count"])),
  ((.live // empty) | check($n; live_types; ["blocks", "bytes"])),
  ((.live_of_ended // empty) | check($n; live_types; ["blocks", "bytes"])),
  ((.live_estimated // empty) | check($n; estimate_types; ["blocks", "bytes"])),
  together($n; ["late_probes", "late_ns"]),
  together($n; ["sample_bytes", "calls_counted"]),
  (if .live then together($n; ["sample_bytes", "live_estimated"]) else empty end),
  (if .calls_counted and .calls_counted != ([.calls[].count] | add // 0)
   then error("line \($n): the calls do not sum to calls_counted") else empty end),
  (if .live_of_ended and .live_of_ended.blocks >= .live.blocks
   then error("line \($n): no block is live but of ended processes") else empty end),
  ((.pools // [])[] | check($n; {name: "text", live: "object", unmatched_frees: "whole", live_at_destroy: "whole"};
                            ["name", "live"])),
  (.lost | check($n; {ring_full: "whole", map_full: "whole", unpaired: "whole",
                      malformed: "whole", total: "whole"}; ["ring_full", "total"])),
  (if .lost.total == .lost.ring_full + .lost.map_full + .lost.unpaired + .lost.malformed
   then empty else error("line \($n): the losses do not sum to total") end),
  (if .entered == .events + .lost.total + .in_flight then empty
   else error("line \($n): events + lost + in flight is not what entered") end);

def check_line($n):
  if .type == "start" then check_start($n)
  elif .type == "event" then check_event($n)
  elif .type == "histogram" and has("class") then check_lane($n)
  elif .type == "histogram" then check_histogram($n)
  elif .type == "verdict" then check_verdict($n)
  elif .type == "interim" or .type == "summary" then check_books($n)
  else error("line \($n): type \(.type)") end;

[inputs]
| . as $lines
| (range(length) as $i | $lines[$i] | check_line($i + 1)),
  (if $lines[0].type != "start" then error("the first line is not the start")
   elif $lines[-1].type != "summary" then error("the last line is not the summary")
   elif [$lines[] | select(.type == "start" or .type == "summary")] | length != 2
   then error("more than one start or summary")
   else true end)
