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
             offset: "address", module_offset: "address", inlined: "yes", signal: "yes"};
        ["module", "module_offset"]);

# A stack that is whole has no reason to end, one that is cut short has.
def check_grade($n):
  if has("stack_grade") then
    (if .stack_grade | IN("complete", "truncated", "guessed", "call-site") then empty
     else error("line \($n): grade \(.stack_grade)") end),
    (if has("stack") then empty else error("line \($n): the grade of no stack") end),
    (if .stack_grade == "complete" and has("stack_why") or .stack_grade == "truncated" and (has("stack_why") | not)
     then error("line \($n): \(.stack_grade), and why is \(.stack_why)") else empty end),
    (if .stack[0].signal then error("line \($n): a signal called the allocator") else empty end)
  elif has("stack_why") then error("line \($n): a reason without a grade")
  else empty end;

def check_event($n):
  check($n; {type: "text", call: "text", kind: "text", ts_ns: "whole", pid: "whole", tid: "whole",
             comm: "text", size: "whole", overflow: "yes", align: "whole", addr: "address", old_addr: "address",
             old_size: "whole", failed: "yes", latency_ns: "whole", returned_ns: "whole", pool: "text",
             pool_addr: "address", base: "address", chunk_size: "whole", chunk_count: "whole",
             ns_pid: "whole", ns_tid: "whole", weighted_bytes: "whole", stack: "list",
             stack_grade: "text", stack_why: "text"};
        ["call", "kind", "ts_ns", "pid", "tid", "comm"]),
  together($n; ["ns_pid", "ns_tid"]),
  (if [.kind] - ["alloc", "free", "realloc", "create", "destroy"] == [] then empty
   else error("line \($n): kind \(.kind)") end),
  check_grade($n),
  ((.stack // [])[] | check_frame($n));

def check_names: ["chunk-outside-region", "misaligned", "overlapping", "handed-out-twice", "freed-twice",
                  "freed-to-other-pool", "leaked-at-destroy", "region-freed-while-live",
                  "double-free", "invalid-free", "mismatched-free"];

def block_checks: ["double-free", "invalid-free", "mismatched-free"];

def check_counts($n; names):
  to_entries[]
  | if ([.key] - names == []) and (.value | whole) and .value > 0 then empty
    else error("line \($n): no such check, or no count: \(.key)") end;

def check_finding($n):
  check($n; {type: "text", check: "text", pool: "text", pool_addr: "address", ts_ns: "whole",
             pid: "whole", tid: "whole", comm: "text", addr: "address", size: "whole",
             align: "whole", chunks: "whole", bytes: "whole", region: "object", stack: "list",
             other_pool: "text", other_addr: "address", other_size: "whole", other_tid: "whole",
             other_ts_ns: "whole", other_stack: "list", call: "text", other_function: "text",
             made_function: "text", made_tid: "whole", made_ts_ns: "whole", made_stack: "list"};
        ["check", "ts_ns", "pid", "tid", "comm", "addr"]),
  (if (.check | IN(block_checks[])) == has("call") and has("call") != has("pool") then empty
   else error("line \($n): neither a call nor a pool, or both") end),
  (if has("pool") and (has("pool_addr") | not) then error("line \($n): a pool without its address")
   else empty end),
  (if (.check == "double-free") == has("made_function") then empty
   else error("line \($n): it is not known who made the block, or it does not matter") end),
  (if [.check] - check_names == [] then empty else error("line \($n): check \(.check)") end),
  together($n; ["chunks", "bytes"]),
  together($n; ["other_addr", "other_size"]),
  (if .check == "invalid-free" or has("size") != has("chunks") then empty
   else error("line \($n): neither a chunk nor a number of them, or both") end),
  (if .check == "mismatched-free" or (.check == "freed-to-other-pool") == has("other_pool") then empty
   else error("line \($n): an other pool, or none") end),
  (if .check == "mismatched-free" and has("other_pool") == has("other_function")
   then error("line \($n): whose it is is not said, or twice") else empty end),
  (if ((.check | IN("chunk-outside-region", "misaligned", "invalid-free")) or has("other_stack"))
      and (.check == "leaked-at-destroy" or has("stack")) then empty
   else error("line \($n): a side is missing") end),
  ((.region // empty) | check($n; {base: "address", bytes: "whole", chunk_size: "whole"};
                              ["base", "bytes", "chunk_size"])),
  ((.stack // [])[] | check_frame($n)),
  ((.made_stack // [])[] | check_frame($n)),
  ((.other_stack // [])[] | check_frame($n));


# Nanoseconds: whole, but for operations that were timed in groups.
def value_names: ["p50", "p90", "p99", "p999", "max", "mean"];
def value_types($grouped): [value_names[] | {(.): (if $grouped then "amount" else "whole" end)}] | add;

def rises($n; names): [.[names[]]] | if . == sort then empty else error("line \($n): the percentiles do not rise") end;

def check_bucket($n; $grouped):
  value_types($grouped).max as $t
  | check($n; {lo: $t, hi: $t, count: "whole"}; ["lo", "hi", "count"]),
    (if .lo < .hi then empty else error("line \($n): an empty bucket") end);

# What is corrected is the raw value less the cost, never below 0; each of the three is rounded.
def check_corrected($n; $raw):
  ($raw | has("group")) as $grouped
  | check($n; value_types($grouped); value_names),
    rises($n; ["p50", "p90", "p99", "p999", "max"]),
    (. as $c | value_names[] | . as $v
     | if ($c[$v] - ([0, $raw[$v] - $raw.cost_ns] | max) | fabs) <= (if $grouped then 0.002 else 1 end) then empty
       else error("line \($n): corrected \($v) is not the raw one less the cost") end);

# Only where there is something to be measured, and it can be.
def check_figures($n):
  has_all($n; ["buckets"] + value_names),
  rises($n; ["p50", "p90", "p99", "p999", "max"]),
  has("group") as $grouped | (.buckets[] | check_bucket($n; $grouped)),
  (if ([.buckets[].count] | add) == .count then empty
   else error("line \($n): the buckets do not sum to count") end);

def check_no_figures($n):
  . as $o | (["buckets", "corrected", "cost_ns", "floor_ns"] + value_names)[] | . as $v
  | if $o | has($v) then error("line \($n): \($v) of nothing") else empty end;

def check_row($n):
  (if [.class] - ["stepped", "push", "jcc", "jmp", "call", "nop", "clock"] == [] then empty
   else error("line \($n): class \(.class)") end),
  ((.stack // [])[] | check_frame($n));

def check_histogram($n):
  has("group") as $grouped
  | (if $grouped then "amount" else "whole" end) as $t
  | check($n; {type: "text", call: "text", class: "text", unit: "text", count: "whole", buckets: "list",
               measured: "text", final: "boolean", measurable: "boolean", corrected: "object", cost_ns: $t,
               floor_ns: $t, group: "whole", failed: "whole", disturbed: "object", size_min: "whole",
               size_max: "whole", pid: "whole", stack: "list"} + value_types($grouped);
          ["call", "class", "unit", "count", "measured", "final"]),
    check_row($n),
    together($n; ["corrected", "cost_ns", "floor_ns"]),
    together($n; ["size_min", "size_max"]),
    (if .unit == "ns" then empty else error("line \($n): unit \(.unit)") end),
    (if has("measurable") and (.measurable or .class != "stepped") or .class == "stepped" and .count > 0 and .measurable != false
     then error("line \($n): what is single-stepped, and nothing else, is not measurable") else empty end),
    (if .count > 0 and .measurable != false then check_figures($n) else check_no_figures($n) end),
    (. as $raw | (.corrected // empty) | check_corrected($n; $raw)),
    ((.disturbed // empty)
     | check($n; {count: "whole", p50: "whole", max: "whole"}; ["count"]), together($n; ["p50", "max"]));

def check_calibration($n):
  check($n; {type: "text", class: "text", hits: "whole", p5: "amount", p50: "amount", p95: "amount", p99: "amount",
             mean: "amount", final: "boolean"}; ["class", "hits", "p5", "p50", "p95", "p99", "mean", "final"]),
  check_row($n),
  rises($n; ["p5", "p50", "p95", "p99"]);

def check_left_out($n):
  check($n; {type: "text", of: "text", rows: "whole", count: "whole", share: "amount", final: "boolean"};
        ["of", "rows", "count", "share", "final"]),
  (if .share <= 1 and .rows > 0 then empty else error("line \($n): nothing, or more than all, is left out") end);

def check_cause($n):
  check($n; {cause: "text", count: "whole", sum_ns: "whole", p50: "whole", max: "whole", corrected: "object",
             times: "whole", inside_ns: "whole", tail_count: "whole"};
        ["cause", "count", "sum_ns", "p50", "max", "times", "inside_ns", "tail_count"]),
  (if [.cause] - ["own_code", "page_faults", "futex", "mmap", "brk", "madvise", "off_cpu"] == [] then empty
   else error("line \($n): cause \(.cause)") end),
  ((.corrected // empty) | check($n; {p50: "whole", max: "whole"}; ["p50", "max"])),
  (if .count > 0 and .tail_count <= .count and .p50 <= .max and .max <= .sum_ns then empty
   else error("line \($n): a cause that cannot be") end);

def check_why($n):
  check($n; {type: "text", call: "text", class: "text", pid: "whole", stack: "list", count: "whole", causes: "list",
             tail_ns: "whole", cost_ns: "whole", floor_ns: "whole", final: "boolean"};
        ["call", "class", "count", "causes", "tail_ns", "final"]),
  check_row($n),
  together($n; ["cost_ns", "floor_ns"]),
  (.causes[] | check_cause($n)),
  (if ([.causes[].count] | add) == .count then empty else error("line \($n): the causes do not sum to count") end),
  (if ([.causes[].cause] | length) == ([.causes[].cause] | unique | length) then empty
   else error("line \($n): a cause twice") end),
  # Of the slowest 1 %, give or take one for each cause, whose share is rounded.
  (if ([.causes[].tail_count] | add) <= .count / 100 + (.causes | length) then empty
   else error("line \($n): the tail is more than the slowest 1 %") end);

# A lane of `compare`. What could not be measured has no latencies.
def latency_types: {p50: "amount", p90: "amount", p99: "amount", p999: "amount", max: "amount", mean: "amount"};

def check_lane($n):
  check($n; latency_types + {type: "text", call: "text", measured: "text", class: "text", group: "whole",
             count: "whole", disturbed: "object", failed: "whole", unit: "text", buckets: "list",
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
             verdict: "text", p50: "list", mean: "list", mean_of_fastest_99: "list", difference_ns: "number",
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
             calls_counted: "whole", command: "text", findings: "object", findings_seen: "object",
             findings_doubtful: "whole", findings_refused: "whole", counted_only: "whole",
             uncounted: "whole", pressure: "object", live_inexact: "yes", stacks: "object"};
        ["calls", "lost", "events", "entered", "in_flight"]),
  (.calls[] | check($n; total_types; ["count"]), together($n; ["weighted_bytes", "weighted_count"])),
  ((.live // empty) | check($n; live_types; ["blocks", "bytes"])),
  ((.stacks // empty)
   | check($n; {complete: "whole", truncated: "whole", guessed: "whole", call_site: "whole", distinct: "whole",
                refused: "whole", unknown: "whole"};
           ["complete", "truncated", "guessed", "call_site", "distinct"])),
  ((.live_of_ended // empty) | check($n; live_types; ["blocks", "bytes"])),
  ((.live_estimated // empty) | check($n; estimate_types; ["blocks", "bytes"])),
  together($n; ["findings", "findings_seen"]),
  ((.findings // {}) | check_counts($n; check_names)),
  (.findings as $told | (.findings_seen // {}) | check_counts($n; $told | keys)),
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
  (if .entered == .events + .lost.total + (.counted_only // 0) + .in_flight then empty
   else error("line \($n): events + lost + counted only + in flight is not what entered") end),
  ((.pressure // empty) | check($n; {times: "whole", sampled_ns: "whole", counts_ns: "whole"};
                                ["times", "sampled_ns", "counts_ns"])),
  (if .live and (.live_inexact // false) != ((.counted_only // 0) + .lost.total > .lost.unpaired)
   then error("line \($n): what is live is exact, or is not") else empty end);

def check_memory($n):
  check($n; {type: "text", ts_ns: "whole", live: "whole", mapped: "whole", resident: "whole", rss: "whole"};
        ["type", "ts_ns", "live", "mapped", "resident", "rss"]);

def check_pressure($n):
  check($n; {type: "text", level: "text", ts_ns: "whole", one_in: "whole", counted_only: "whole", lasted_ns: "whole"};
        ["level", "ts_ns"]),
  (if .level | IN("whole", "sampled", "counts") then empty else error("line \($n): level \(.level)") end),
  (if (.level == "sampled") == has("one_in") then empty else error("line \($n): one in how many") end),
  together($n; ["counted_only", "lasted_ns"]),
  (if (.level == "whole") == has("counted_only") then empty else error("line \($n): what was only counted") end);

# What the sums over all call sites and one of them have in common.
def counts_types: {blocks: "whole", bytes: "whole"};
def site_types: {allocations: "whole", allocated_bytes: "whole", failed: "whole", live: "object",
                 live_of_ended: "object", freed: "whole", temporary: "whole", freed_elsewhere: "whole",
                 lifetime_mean_ns: "whole", lifetime_max_ns: "whole", lifetimes: "list", reallocs: "whole",
                 moved: "whole", moved_bytes: "whole", moves_in_a_row: "whole", smallest: "whole",
                 largest: "whole", first_after_ns: "whole", last_after_ns: "whole",
                 latency_mean_ns: "whole", latency_max_ns: "whole"};

def check_counts_of($n): check($n; counts_types; ["blocks", "bytes"]);

def check_lives($n):
  (.live | check_counts_of($n)),
  ((.live_of_ended // empty) | check_counts_of($n)),
  together($n; ["freed_elsewhere", "lifetime_mean_ns", "lifetime_max_ns", "lifetimes"]),
  together($n; ["reallocs", "moved", "moved_bytes", "moves_in_a_row"]),
  together($n; ["smallest", "largest", "first_after_ns", "last_after_ns"]),
  together($n; ["latency_mean_ns", "latency_max_ns"]),
  ((.lifetimes // [])[] | check($n; {below_ns: "whole", count: "whole"}; ["count"])),
  (if ([(.lifetimes // [])[].count] | add // 0) == .freed then empty
   else error("line \($n): the lifetimes do not sum to freed") end),
  (if .temporary <= .freed and .freed <= .allocations and (.freed_elsewhere // 0) <= .freed
      and (.moved // 0) <= (.reallocs // 0) and .live.blocks <= .allocations
      and (.smallest // 0) <= (.largest // 0) and (.first_after_ns // 0) <= (.last_after_ns // 0) then empty
   else error("line \($n): a part is more than the whole") end);

def is_report: IN("leaks", "hot", "temporary", "peak", "sizes");

def check_heap($n):
  check($n; site_types + {type: "text", report: "text", older_ns: "whole", within: "whole", peak: "object",
                          blocks_without_site: "whole", stacks_refused: "whole", final: "boolean"};
        ["report", "older_ns", "within", "allocations", "allocated_bytes", "failed", "live", "freed", "temporary",
         "final"]),
  (if .report | is_report then empty else error("line \($n): report \(.report)") end),
  check_lives($n),
  ((.peak // empty) | check($n; counts_types + {after_ns: "whole"}; ["blocks", "bytes", "after_ns"])),
  (if .live.bytes <= (.peak.bytes // 0) then empty else error("line \($n): more is live than at the peak") end);

def check_site($n):
  check($n; site_types + counts_types
            + {type: "text", report: "text", pool: "text", oldest_ns: "whole", at_peak: "object", stack: "list",
               stack_grade: "text", stack_why: "text", final: "boolean"};
        ["report", "allocations", "allocated_bytes", "failed", "live", "freed", "temporary", "at_peak", "final"]),
  (if .report | is_report then empty else error("line \($n): report \(.report)") end),
  check_lives($n),
  together($n; ["blocks", "bytes", "oldest_ns"]),
  (if (.report == "leaks") == has("blocks") then empty else error("line \($n): what is left, or is not") end),
  (.at_peak | check_counts_of($n)),
  check_grade($n),
  ((.stack // [])[] | check_frame($n));

def check_size($n):
  check($n; {type: "text", size_min: "whole", size_max: "whole", allocations: "whole", allocated_bytes: "whole",
             live: "object", freed: "whole", temporary: "whole", lifetime_mean_ns: "whole", final: "boolean"};
        ["size_min", "size_max", "allocations", "allocated_bytes", "live", "freed", "temporary", "final"]),
  (.live | check_counts_of($n)),
  (if .size_min <= .size_max and .allocated_bytes >= .allocations * .size_min
      and .allocated_bytes <= .allocations * .size_max then empty
   else error("line \($n): sizes outside their class") end);

def check_figures_of_diff($n; extra):
  check($n; extra + {allocations: "whole", allocated_bytes: "whole", live: "object", at_peak: "object",
                     temporary: "whole", failed: "whole", latency_mean_ns: "whole"};
        ["allocations", "allocated_bytes", "live", "at_peak", "temporary", "failed"] + (extra | keys)),
  (.live | check_counts_of($n)),
  (.at_peak | check_counts_of($n));

def check_change($n):
  check($n; {type: "text", change: "text", path: "list", location: "text", pooled: "yes", before: "object",
             after: "object"};
        ["change", "path", "location"]),
  (if .change | IN("new", "gone", "grown", "shrunk") then empty else error("line \($n): change \(.change)") end),
  (if has("before") == (.change != "new") and has("after") == (.change != "gone") then empty
   else error("line \($n): \(.change), and a side is there or is not") end),
  (if (.path | length > 0 and all(text)) then empty else error("line \($n): a path of no names") end),
  ((.before, .after) // empty | check_figures_of_diff($n; {}));

def check_diff($n):
  check($n; {type: "text", before: "object", after: "object", changed: "whole", same: "whole"};
        ["before", "after", "changed", "same"]),
  ((.before, .after) | check_figures_of_diff($n; {elapsed_ns: "whole", exact: "boolean"}));

def check_line($n; $compare):
  if .type == "start" then check_start($n)
  elif .type == "event" then check_event($n)
  elif .type == "heap" then check_heap($n)
  elif .type == "site" then check_site($n)
  elif .type == "size" then check_size($n)
  elif .type == "change" then check_change($n)
  elif .type == "diff" then check_diff($n)
  elif .type == "finding" then check_finding($n)
  elif .type == "memory" then check_memory($n)
  elif .type == "pressure" then check_pressure($n)
  elif .type == "histogram" and $compare then check_lane($n)
  elif .type == "histogram" then check_histogram($n)
  elif .type == "calibration" then check_calibration($n)
  elif .type == "left_out" then check_left_out($n)
  elif .type == "why" then check_why($n)
  elif .type == "verdict" then check_verdict($n)
  elif .type == "interim" or .type == "summary" then check_books($n)
  else error("line \($n): type \(.type)") end;

# What is taken out is what was measured in the same run.
def check_costs:
  ([.[] | select(.type == "calibration") | {(.class): .p50}] | add // {}) as $costs
  | .[] | select(has("cost_ns"))
  | if (.cost_ns - ($costs[.class] // 0) / (.group // 1) | fabs) <= 0.5 and $costs[.class] then empty
    else error("\(.call): the cost of its class was not measured as \(.cost_ns)") end;

# Each report is its sums and then its parts, which sum to them: malloc's kin's, without the pools'.
def check_sums:
  [.[] | select(.final and (.type == "heap"))][0] as $heap
  | if $heap == null then empty
    else [.[] | select(.final and (.type == "site" or .type == "size") and (has("pool") | not))] as $parts
      | (if $heap.report == "leaks" and $heap.older_ns == 0 then
           [[$parts[].blocks], [$parts[].bytes]] | map(add // 0)
           | if . == [$heap.live.blocks, $heap.live.bytes] then empty
             else error("the sites are not what is live: \(.)") end
         else empty end),
        (if $heap.report == "hot" or $heap.report == "sizes" then
           [[$parts[].allocations], [$parts[].allocated_bytes], [$parts[].live.bytes], [$parts[].temporary]]
           | map(add // 0)
           | if . == [$heap.allocations, $heap.allocated_bytes, $heap.live.bytes, $heap.temporary] then empty
             else error("the parts are not the sum: \(.)") end
         else empty end),
        (if $heap.report == "peak" then
           [$parts[].at_peak] | [([.[].blocks] | add // 0), ([.[].bytes] | add // 0)]
           | if . == [$heap.peak.blocks // 0, $heap.peak.bytes // 0] then empty
             else error("the sites are not what was live at the peak: \(.)") end
         else empty end)
    end;

[inputs]
| . as $lines
| any(.[]; .type == "verdict") as $compare
| check_costs, check_sums,
  (range(length) as $i | $lines[$i] | check_line($i + 1; $compare)),
  (if $lines[0].type != "start" then error("the first line is not the start")
   elif $lines[-1].type == "diff" then
     if ([$lines[] | select(.type == "change")] | length) == $lines[-1].changed
        and ($lines | length) == $lines[-1].changed + 2 then true
     else error("the changes are not as many as the last line says") end
   elif $lines[-1].type != "summary" then error("the last line is not the summary")
   elif ([$lines[] | select(.type == "finding") | .check] | group_by(.) | map({key: .[0], value: length}) | from_entries)
        != ($lines[-1].findings // {}) then error("the findings are not those of the summary")
   elif ([$lines[] | select(.type == "event" and .stack_grade).stack_grade] | group_by(.) | map({key: .[0] | sub("-"; "_"), value: length}) | from_entries)
        != ($lines[-1].stacks // {} | del(.distinct, .refused, .unknown) | with_entries(select(.value > 0)))
       and any($lines[]; .type == "event")
   then error("the grades are not those of the summary")
   elif [$lines[] | select(.type == "start" or .type == "summary")] | length != 2
   then error("more than one start or summary")
   else true end)
