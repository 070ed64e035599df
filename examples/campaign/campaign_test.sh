#!/usr/bin/env bash
# The main job, in its modes and its ends. usage: campaign_test.sh CAMPAIGN PYTHON-WITH-THE-PEERS
set -euo pipefail
campaign=$1
python=$2
scratch=$(mktemp -d)
base=/dev/shm/skep-$(id -u)
size=4m
[ "${SKEP_TEST_FULL:-0}" = 1 ] && size=64m
small=(--generate "$size" --tasks 48 --pool 64 --batch 16 --refine 3)
started=()

finish() {
    for pid in "${started[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap finish EXIT

fail() {
    echo "campaign_test: $*" >&2
    exit 1
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" "$2"; }
left() { find "$base" -maxdepth 1 -name "$1" 2>/dev/null | grep -q .; }
until_gone() { # what, command...: within ten seconds the command must say no
    local what=$1
    shift
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    fail "$what is still there"
}
workers_of() { pgrep -P "$1" || true; }

# all in one program; then again in one process: equal
"$campaign" "${small[@]}" --verify --json >"$scratch/proxied" 2>"$scratch/log" || fail "$(cat "$scratch/log")"
grep -q "equal to the last bit" "$scratch/log" || fail "not verified: $(cat "$scratch/log")"
[ "$(field tasks "$scratch/proxied")" = 48 ] || fail "tasks: $(cat "$scratch/proxied")"
[ "$(field versions "$scratch/proxied")" -gt 1 ] || fail "the model was never refined"
[ "$(field moved_bytes "$scratch/proxied")" = 0 ] || fail "shm moved bytes: $(cat "$scratch/proxied")"

# each worker resolves each version once
[ "$(field resolves "$scratch/proxied")" -le $((2 * $(field versions "$scratch/proxied"))) ] ||
    fail "more than one resolve a version and worker: $(cat "$scratch/proxied")"

# without proxies: the same answer, all bytes carried
"$campaign" "${small[@]}" --inline --json >"$scratch/inline" || fail "inline"
[ "$(field digest "$scratch/inline")" = "$(field digest "$scratch/proxied")" ] || fail "inline found something else"
[ "$(field message_bytes "$scratch/inline")" -gt "$((48 * 4000000))" ] || fail "inline carried too little"

# bad words
for bad in "--tasks 0" "--pool 65" "--generate 12x" "--workers none" "--frobnicate" "a b"; do
    # shellcheck disable=SC2086
    if "$campaign" $bad >/dev/null 2>"$scratch/log"; then fail "'$bad' was taken"; fi
    [ -s "$scratch/log" ] || fail "'$bad' was refused without a word"
done
printf 'no model' >"$scratch/bad.safetensors"
if "$campaign" "$scratch/bad.safetensors" 2>"$scratch/log"; then fail "a file that is no model was taken"; fi
if "$campaign" "$scratch/none.safetensors" 2>"$scratch/log"; then fail "a file that is not there was taken"; fi
grep -q "none.safetensors" "$scratch/log" || fail "the error does not name the file: $(cat "$scratch/log")"

# a file that Python wrote, of all four formats; one with integers is refused with the reason
if [ -x "$python" ]; then
    "$python" "$(dirname "$0")/make_models.py" "$scratch"
    "$campaign" --tasks 16 --pool 64 --verify "$scratch/four.safetensors" >/dev/null 2>"$scratch/log" ||
        fail "a model from Python: $(cat "$scratch/log")"
    if "$campaign" "$scratch/integers.safetensors" 2>"$scratch/log"; then fail "a model of integers was taken"; fi
    grep -q "I64" "$scratch/log" || fail "the reason is missing: $(cat "$scratch/log")"
elif [ "${CI:-}" = true ]; then
    fail "there is no $python; scripts/test makes it"
fi

# two programs started by hand, over tcp
port=$(/usr/bin/env python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
store="shm://campaign-hand-$$?lifetime=session"
"$campaign" server --queue "tcp://127.0.0.1:$port" --store "$store" 2>"$scratch/server" &
server=$!
started+=("$server")
"$campaign" thinker --queue "tcp://127.0.0.1:$port" --store "$store" "${small[@]}" --json >"$scratch/tcp" || fail "over tcp: $(cat "$scratch/server")"
[ "$(field digest "$scratch/tcp")" = "$(field digest "$scratch/proxied")" ] || fail "over tcp it found something else"
wait "$server" || fail "the server: $(cat "$scratch/server")"
until_gone "the store of the two programs" left "campaign-hand-$$"

# a worker that is killed is replaced, and its task sent again: the answer is the same
"$campaign" "${small[@]}" --tasks 960 --json >"$scratch/whole" 2>/dev/null || fail "the longer run"
"$campaign" "${small[@]}" --tasks 960 --json >"$scratch/killed" 2>"$scratch/log" &
pid=$!
started+=("$pid")
for _ in $(seq 200); do grep -q round "$scratch/log" && break; sleep 0.02; done
for _ in $(seq 50); do # until one is met in the middle of a task
    grep -q "sent again" "$scratch/log" && break
    victim=$(workers_of "$pid" | head -n 1)
    [ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || true
    sleep 0.02
done
grep -q "sent again" "$scratch/log" || fail "no killed worker was in a task: $(cat "$scratch/log")"
wait "$pid" || fail "a killed worker ended it: $(cat "$scratch/log")"
[ "$(field digest "$scratch/killed")" = "$(field digest "$scratch/whole")" ] || fail "a killed worker changed the answer"

# however it ends, nothing is left: interrupted, told to end, killed
for how in INT TERM KILL; do
    "$campaign" --generate "$size" --tasks 1000000 --pool 64 >/dev/null 2>"$scratch/log" &
    pid=$!
    started+=("$pid")
    for _ in $(seq 200); do grep -q round "$scratch/log" && break; sleep 0.05; done
    grep -q round "$scratch/log" || fail "it never began: $(cat "$scratch/log")"
    workers=$(workers_of "$pid")
    [ -n "$workers" ] || fail "no workers"
    kill -"$how" "$pid"
    wait "$pid" && fail "SIG$how: it ended as if all was well"
    until_gone "the store after SIG$how" left "campaign-$pid"
    for worker in $workers; do until_gone "worker $worker after SIG$how" kill -0 "$worker"; done
done
echo "campaign: equal in all modes, nothing left in all ends"
