# Sourced by run.sh: steps under limits, what is made of their exit status and log, the summary and the logs.
#
# While a step runs its log is OUT/logs/NAME.log; then the log goes into OUT/logs.tar, so that few files lie there at any
# time, and summary.json is written anew. A run that is killed leaves all of that readable.

names=()                 # steps in the order in which they were begun
declare -A result=()     # passed, failed, skipped, missing, timeout, not run
declare -A status=() took=() limit=() note=() excerpt=() process=() begun=() tool=()
declare -A own_limit=()  # --limit NAME=SECONDS
only=()                  # --only
budget=3600              # seconds from the start of run.sh
reserve=3                # of them for the end: table and archive
later=0                  # and for steps that come later and matter more than the next one

say() { printf '\n== %s (%s, %d s)\n' "$1" "$(date +%H:%M:%S)" "$SECONDS"; }

# selected NAME GROUP: whether --only wants it.
selected() {
  local wanted
  [[ ${#only[@]} -eq 0 ]] && return 0
  for wanted in "${only[@]}"; do [[ $wanted == "$1" || $wanted == "$2" ]] && return 0; done
  return 1
}

# room NAME SECONDS: sets `allowed` to what the step may take; false if that is less than a third of what it wants.
room() {
  local own=${own_limit[$1]:-$2} left=$((budget - SECONDS - reserve - later))
  limit[$1]=$own
  allowed=$((own < left ? own : left))
  [[ $allowed -ge 1 && $((3 * allowed)) -ge $own ]]
}

settle() {  # settle NAME RESULT [NOTE]
  result[$1]=$2
  note[$1]=${3:-}
  printf '%s: %s%s\n' "$1" "$2" "${3:+ ($3)}"
  write_summary
}

# missing NAME GROUP WHAT [tool]: a step that cannot be run because something is not there.
missing() {
  selected "$1" "$2" || return 0
  names+=("$1")
  [[ ${4:-} == tool ]] && tool[$1]=yes
  settle "$1" missing "$3"
}

# start NAME GROUP SECONDS COMMAND...: begins a step, or says that there is no time for it.
start() {
  local name=$1 group=$2 seconds=$3 allowed
  shift 3
  selected "$name" "$group" || return 0
  names+=("$name")
  if ! room "$name" "$seconds"; then
    settle "$name" "not run" "of the budget's $budget s $((budget - SECONDS)) are left, it may take ${limit[$name]}"
    return 0
  fi
  set -- "${@//@budget@/$((allowed > 20 ? allowed - 10 : (allowed + 1) / 2))}"
  say "$name, at most $allowed s"
  limit[$name]=$allowed
  begun[$name]=$SECONDS
  mkdir -p "$out/logs"
  printf '$ %s\n' "$*" >"$out/logs/$name.log"
  timeout -k 3 "$allowed" "$@" >>"$out/logs/$name.log" 2>&1 </dev/null &
  process[$name]=$!
}

# Waits for the steps that were begun, and judges each as it ends.
finish() {
  local name ended code
  while [[ ${#process[@]} -gt 0 ]]; do
    ended=
    wait -n -p ended "${process[@]}"
    code=$?
    for name in "${!process[@]}"; do [[ ${process[$name]} == "$ended" ]] && break; done
    if [[ -z $ended ]]; then  # all had ended before: their status is still kept
      wait "${process[$name]}"
      code=$?
    fi
    unset "process[$name]"
    status[$name]=$code
    took[$name]=$((SECONDS - begun[$name]))
    judge "$name" "$out/logs/$name.log"
    keep_log "$name"
  done
}

step() { start "$@"; finish; }

# judge NAME LOG. The exit status alone does not say enough: a test program that found no GPU skips every case and passes.
judge() {
  local name=$1 log=$2 code=${status[$1]} reasons unexpected left
  reasons=$(skips "$log")
  unexpected=$(grep -vFf "$here/skips-by-design.txt" <<<"$reasons" | sed '/^$/d')
  if [[ $code -eq 124 || ($code -eq 137 && ${took[$name]} -ge ${limit[$name]}) ]]; then
    fail_with "$name" timeout "$log" "stopped after ${limit[$name]} s"
  elif [[ $code -eq 77 ]] || grep -qiE 'no (usable )?(GPU|CUDA device)' <<<"$unexpected"; then
    excerpt[$name]=$(grep -m1 -iE 'no (usable )?(GPU|CUDA device)' "$log" | cut -c1-160)
    settle "$name" failed "CUDA sees no GPU, though nvidia-smi names one"
  elif [[ $code -eq 76 ]]; then
    settle "$name" skipped "$(tail -n 1 "$log")"
  elif [[ $code -ne 0 ]]; then
    fail_with "$name" failed "$log" "exit status $code"
  elif grep -qE '^(No test cases matched|No tests ran)' "$log"; then
    fail_with "$name" failed "$log" "no test has the name that was asked for"
  elif [[ -s $out/$(json_of "$name") ]] && left=$(left_out "$out/$(json_of "$name")") && [[ -n $left ]]; then
    excerpt[$name]=$(head -6 <<<"$left" | cut -c1-160)
    settle "$name" skipped "$(grep -c . <<<"$left") left out"
  elif [[ -n $unexpected ]]; then
    excerpt[$name]=$(head -6 <<<"$unexpected")
    settle "$name" skipped "$(grep -c . <<<"$unexpected") skipped inside"
  else
    settle "$name" passed "$([[ -n $reasons ]] && echo "$(grep -c . <<<"$reasons") skipped by design")"
  fi
}

# skips LOG: one line "reason: test case" for every [qcface-skip] of a log. Catch2 names a case behind what it printed
# (-d yes: "0.001 s: NAME").
skips() {
  awk '/^\[qcface-skip\]/ { if (reason != "") print reason; reason = substr($0, 15); next }
       reason != "" && /^[0-9.]+ s: / { sub(/^[0-9.]+ s: /, ""); print reason ": " $0; reason = "" }
       END { if (reason != "") print reason }' "$1"
}

json_of() {  # below OUT
  case $1 in
    peers) echo step-peers.json ;;
    convolution-peers) echo convolutions.json ;;
    head-large | head-peers | scoring) echo "logs/$1.json" ;;
    *) echo "$1.json" ;;
  esac
}

# left_out FILE: what a benchmark says it has not measured, one a line.
left_out() {
  python3 -c 'import json, sys; print(*json.load(open(sys.argv[1])).get("left_out", []), sep="\n")' "$1" 2>/dev/null ||
    { grep -q '"left_out": \["' "$1" && echo "see left_out in ${1##*/}"; }
}

fail_with() {  # fail_with NAME RESULT LOG NOTE: remembers the first lines that tell why
  local why='FAILED:|^FAIL|[Ee]rror|ERROR|terminate called|what\(\)|Hazard|Invalid|not found'
  # Without the command and Catch2's durations, which name test cases "... errors ...".
  excerpt[$1]=$(sed 1d "$3" | grep -vE '^[0-9.]+ s: ' | grep -E -A4 "$why" | head -12)
  [[ -n ${excerpt[$1]} ]] || excerpt[$1]=$(tail -n 5 "$3")
  excerpt[$1]=$(cut -c1-160 <<<"${excerpt[$1]}")
  settle "$1" "$2" "$4"
}

keep_log() {  # into the archive; of a log that ran away, both ends
  local log=$out/logs/$1.log
  if [[ $(stat -c %s "$log") -gt 4000000 ]]; then
    { head -c 1000000 "$log"; printf '\n... cut ...\n'; tail -c 1000000 "$log"; } >"$log.cut" && mv "$log.cut" "$log"
  fi
  tar -rf "$out/logs.tar" -C "$out/logs" "$1.log" && rm -f "$log"
}

quoted() {  # a JSON string of printable ASCII
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  printf '"%s"' "$(LC_ALL=C tr -cd '\40-\176' <<<"$text")"
}

write_summary() {
  local name comma=''
  {
    printf '{"gpu": %s, "driver": %s, "cuda": %s, "cudnn": %s, "cublaslt": %s, "commit": %s, "cores": %d, "date": %s,\n' \
      "$(quoted "$gpu")" "$(quoted "$driver")" "$(quoted "$cuda")" "$(quoted "$cudnn")" "$(quoted "$cublaslt")" \
      "$(quoted "$commit")" "$(nproc)" "$(quoted "$date")"
    printf ' "command": %s, "seconds": %d, "verdict": %s,\n "steps": [' "$(quoted "$command")" "$SECONDS" \
      "$(quoted "$(verdict)")"
    for name in "${names[@]}"; do
      printf '%s\n  {"name": "%s", "status": %s, "seconds": %s, "limit": %s, "result": "%s", "note": %s}' "$comma" \
        "$name" "${status[$name]:-null}" "${took[$name]:-null}" "${limit[$name]:-null}" "${result[$name]:-running}" \
        "$(quoted "${note[$name]:-}${excerpt[$name]:+$'\n'${excerpt[$name]}}")"
      comma=,
    done
    printf '\n ]}\n'
  } >"$out/summary.json.tmp" && mv "$out/summary.json.tmp" "$out/summary.json"
}

count() {  # count RESULT...: steps that ended so
  local name wanted number=0
  for name in "${names[@]}"; do
    for wanted; do [[ ${result[$name]:-running} == "$wanted" ]] && number=$((number + 1)); done
  done
  echo "$number"
}

verdict() {
  local bad incomplete
  bad=$(($(count failed timeout missing) - ${#tool[@]}))
  incomplete=$(($(count skipped "not run" running) + ${#tool[@]}))
  if [[ -n ${interrupted:-} ]]; then echo "interrupted"
  elif [[ $bad -gt 0 ]]; then echo "NOT PASSED: $bad failed, timed out or missing, $incomplete not done in full"
  elif [[ $incomplete -gt 0 ]]; then echo "nothing failed, but $incomplete not done in full"
  elif [[ ${#names[@]} -eq 0 ]]; then echo "nothing was run"
  elif [[ ${#only[@]} -gt 0 ]]; then echo "passed: ${only[*]} (nothing else was asked for)"
  else echo "all passed"; fi
}

exit_status() {
  case $(verdict) in "all passed" | "passed: "*) echo 0 ;; "nothing failed"*) echo 3 ;; *) echo 1 ;; esac
}

# The story in fewer than 100 lines: one line a step, then why, for those that did not pass.
table() {
  local name line
  printf '\n%-20s %-8s %7s %6s  %s\n' step result seconds limit note
  for name in "${names[@]}"; do
    printf '%-20s %-8s %7s %6s  %s\n' "$name" "${result[$name]:-running}" "${took[$name]:--}" "${limit[$name]:--}" \
      "${note[$name]:-}"
  done
  for name in "${names[@]}"; do
    [[ -n ${excerpt[$name]:-} ]] || continue
    printf '\n%s:\n' "$name"
    while IFS= read -r line; do printf '  %s\n' "$line"; done <<<"${excerpt[$name]}"
  done | head -60
}

# Ends the run: what is still running is stopped, what lies in OUT is complete.
conclude() {
  local name
  for name in "${!process[@]}"; do kill "${process[$name]}" 2>/dev/null; done
  for name in "${!process[@]}"; do
    wait "${process[$name]}" 2>/dev/null
    took[$name]=$((SECONDS - begun[$name]))
    result[$name]="not run"
    note[$name]="interrupted"
    keep_log "$name"
  done
  write_summary
  for name in convolutions.txt head-large.json head-peers.json scoring.json; do
    if [[ -f $out/logs/$name ]]; then tar -rf "$out/logs.tar" -C "$out/logs" "$name" && rm -f "$out/logs/$name"; fi
  done
  rm -f "$out/logs/convolutions.txt.lock"
  if [[ -f $out/logs.tar ]]; then
    if command -v xz >/dev/null; then xz -f "$out/logs.tar"; else gzip -f "$out/logs.tar"; fi
    rmdir "$out/logs" 2>/dev/null
  fi
  table
  printf '\n%s; %s, commit %s, %d s, in %s\n' "$(verdict)" "$gpu" "$commit" "$SECONDS" "$out"
}
