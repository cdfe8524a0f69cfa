#!/usr/bin/env bash
# Two institutions on one machine: each runs its own `symbolon serve`, both sign an agreement, and the bank joins its
# customers with the bureau's credit files. Nothing here is special to one machine except the two --home directories.
#
#   cargo build --release -p symbolon-cli && PATH="$PWD/target/release:$PATH" examples/two_nodes.sh [DIRECTORY]
set -euo pipefail
data="$(cd "$(dirname "$0")/data" && pwd)"
work="${1:-$(mktemp -d)}"
mkdir -p "$work" && cd "$work"

bank() { echo "bank\$ symbolon $*" >&2; symbolon --home bank "$@"; }
bureau() { echo "bureau\$ symbolon $*" >&2; symbolon --home bureau "$@"; }

# 1. Each side makes its node, registers its table and looks at the quality of its keys.
bank init --name "First Bank" --endpoint 127.0.0.1:7443
bank table add customers "$data/bank_customers.csv" --key ssn=us_ssn
bank table check customers
bureau init --name "Credit Bureau" --endpoint 127.0.0.1:7444
bureau table add credit_files "$data/bureau_credit_files.csv" --key ssn=us_ssn --duplicates first
bureau table check credit_files

# 2. Both start their nodes; port 0 takes any free port, which then stands in <home>/serve.addr.
bank serve --listen 127.0.0.1:0 >bank.log 2>&1 & bank_pid=$!
bureau serve --listen 127.0.0.1:0 >bureau.log 2>&1 & bureau_pid=$!
trap 'kill "$bank_pid" "$bureau_pid" 2>/dev/null || true; wait || true' EXIT
for home in bank bureau; do until [ -s "$home/serve.addr" ]; do sleep 0.1; done; done

# 3. They exchange cards and compare fingerprints (by telephone; here the script does it).
bank peer card -o bank.card.toml
bureau peer card -o bureau.card.toml
fingerprint() { symbolon --home "$1" --json peer card | sed -n 's/.*"fingerprint": "\(.*\)".*/\1/p'; }
bank peer add bureau bureau.card.toml --fingerprint "$(fingerprint bureau)" --endpoint "$(cat bureau/serve.addr)"
bureau peer add bank bank.card.toml --fingerprint "$(fingerprint bank)" --endpoint "$(cat bank/serve.addr)"
bank doctor

# 4. The bureau describes its table without data, the bank drafts, both read and sign, both put it into force.
bureau table show credit_files --card -o credit_files.table.toml
bank agreement draft --peer bureau --table customers --peer-table credit_files.table.toml \
    --title "Overdraft check" --purpose "credit decision on applicants" --allow ecdh-oprf:enrich:us \
    --get open_accounts,total_balance,max_dpd_12m,months_in_arrears,inquiries_24m,risk_grade,overdue_90d \
    --rows-max 50000 --runs 3 --days 365 -o overdraft.toml
bank agreement sign overdraft.toml --yes
bureau agreement show overdraft.toml
bureau agreement sign overdraft.toml --yes
bank agreement accept overdraft.toml
bureau agreement accept overdraft.toml

# 5. The join, and what both sides can see of it afterwards.
bank join --agreement "Overdraft check" -o joined.csv
bank result show
bureau job list
