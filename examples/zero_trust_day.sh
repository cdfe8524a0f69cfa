#!/usr/bin/env bash
# A day under zero trust: protected keys, an agreement two people have to approve, a join, its receipt, a verified log,
# a change of keys while a job runs, a suspension. Two nodes on one machine; everything else is as between two houses.
#
#   cargo build --release -p symbolon-cli && PATH="$PWD/target/release:$PATH" examples/zero_trust_day.sh [DIRECTORY]
set -euo pipefail
data="$(cd "$(dirname "$0")/data" && pwd)"
work="${1:-$(mktemp -d)}"
mkdir -p "$work" && cd "$work"

bank() { printf '\nbank$ symbolon %s\n' "$*" >&2; symbolon --home bank "$@"; }
bureau() { printf '\nbureau$ symbolon %s\n' "$*" >&2; symbolon --home bureau "$@"; }
title() { printf '\n== %s\n' "$*" >&2; }
value() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" | head -n 1; }

title "Morning: two nodes; the bank's keys are under a passphrase from a file only its owner can read"
(umask 077 && head -c 24 /dev/urandom | base64 >passphrase)
bank init --name "First Bank" --endpoint 127.0.0.1:7443 --protect file --passphrase-file "$PWD/passphrase"
bureau init --name "Credit Bureau" --endpoint 127.0.0.1:7444
bank table add customers "$data/bank_customers.csv" --key ssn=us_ssn
bureau table add credit_files "$data/bureau_credit_files.csv" --key ssn=us_ssn --duplicates first
bank --quiet serve --listen 127.0.0.1:0 >bank.log 2>&1 & bank_pid=$!
bureau --quiet serve --listen 127.0.0.1:0 >bureau.log 2>&1 & bureau_pid=$!
trap 'kill "$bank_pid" "$bureau_pid" 2>/dev/null || true; wait || true' EXIT
for home in bank bureau; do until [ -s "$home/serve.addr" ]; do sleep 0.1; done; done

title "Cards: the fingerprint is read over the telephone, in words or in digits"
bank peer card -o bank.card.toml
bureau peer card -o bureau.card.toml
fingerprint() { symbolon --home "$1" --json peer card | value fingerprint; }
bank peer add bureau bureau.card.toml --fingerprint "$(fingerprint bureau)" --endpoint "$(cat bureau/serve.addr)"
bureau peer add bank bank.card.toml --fingerprint "$(fingerprint bank)" --endpoint "$(cat bank/serve.addr)"

title "Agreement: at the bank, two of three named persons have to approve before the institution may sign"
approver() {
    (umask 077 && head -c 24 /dev/urandom | base64 >"$2.passphrase")
    symbolon approver new "$1" -o "$2" --passphrase-file "$2.passphrase" | head -n 1
}
ada="$(approver "Ada Lund" ada.key)"
ben="$(approver "Ben Okoro" ben.key)"
cem="$(approver "Cem Aydin" cem.key)"
bureau table show credit_files --card -o credit_files.table.toml
bank agreement templates
bank agreement draft --template enrich --peer bureau --table customers --peer-table credit_files.table.toml \
    --title "Overdraft check" --purpose "credit decision on applicants" \
    --get total_balance,risk_grade,overdue_90d --rows-max 50000 --runs 5 \
    --matched-min 100 --release count --receipt-count --period day --period-runs 3 --snapshots 2 \
    --approver "$ada" --approver "$ben" --approver "$cem" -o overdraft.toml
bank agreement approve overdraft.toml --key ada.key --passphrase-file ada.key.passphrase --yes
bank agreement sign overdraft.toml --yes || echo "(refused: exit code $?)" >&2
bank agreement approve overdraft.toml --key cem.key --passphrase-file cem.key.passphrase --yes
bank agreement sign overdraft.toml --yes
bureau agreement sign overdraft.toml --yes
bank agreement accept overdraft.toml
bureau agreement accept overdraft.toml

title "The join; its result lies encrypted in the home, the plain file is where the analyst wants it"
bank join --agreement "Overdraft check" -o joined.csv
bank policy explain "$(symbolon --home bank --json job list | value id)"
bank budget "Overdraft check"

title "Evidence: what both signed, verified on the own log and from exported files alone"
bank audit verify
bank audit export evidence-bank
bureau audit export evidence-bureau
bank audit verify evidence-bank --against evidence-bureau

title "Keys are changed while a job runs; the job goes on, the partner learns of it by itself"
bank --quiet join --agreement "Overdraft check" -o again.csv & join_pid=$!
sleep 0.5
bank key rotate tls
wait "$join_pid"
bank key list
cmp joined.csv again.csv && echo "both joins gave the same rows" >&2

title "Evening: the bureau suspends, and nothing moves any more"
bureau agreement suspend "Overdraft check" --reason audit
bank join --agreement "Overdraft check" || echo "(refused: exit code $?)" >&2
bureau agreement resume "Overdraft check"
bank agreement show "Overdraft check" | head -n 12
