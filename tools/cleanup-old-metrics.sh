#!/usr/bin/env bash
# Delete measurements that are older than they are kept, in small batches, and report the rows.
#
# The controller does this by itself (settings gpu.management.metrics.retention.*). This script is
# for a database whose controller was off for long, or that must shrink now.
#
#   tools/cleanup-old-metrics.sh [--dry-run] [--samples-hours N] [--minutes-days N]
#                                [--hours-days N] [--batch ROWS] [--most ROWS]
#
# The database is DATABASE_URL: sqlite:///FILE or postgresql://USER@HOST:PORT/NAME (password in
# PGPASSWORD or ~/.pgpass; schema in DATABASE_SCHEMA, gpu_admin if not set).
# Exit: 0 done, 1 the database refused, 2 misused, 3 more was left than --most allows.
set -euo pipefail

samples_hours=6 minutes_days=30 hours_days=400 batch=20000 most=1000000 dry_run=no

misused() {
  echo "cleanup-old-metrics.sh: $1" >&2
  exit 2
}

number() {
  [[ "${2:-}" =~ ^[1-9][0-9]{0,8}$ ]] || misused "$1 needs a whole number from 1, not '${2:-}'"
}

while (($#)); do
  case "$1" in
    --dry-run) dry_run=yes; shift ;;
    --samples-hours) number "$1" "${2:-}"; samples_hours=$2; shift 2 ;;
    --minutes-days) number "$1" "${2:-}"; minutes_days=$2; shift 2 ;;
    --hours-days) number "$1" "${2:-}"; hours_days=$2; shift 2 ;;
    --batch) number "$1" "${2:-}"; batch=$2; shift 2 ;;
    --most) number "$1" "${2:-}"; most=$2; shift 2 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) misused "there is no option $1" ;;
  esac
done

url=${DATABASE_URL:-}
schema=${DATABASE_SCHEMA:-gpu_admin}
[[ "$schema" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || misused "DATABASE_SCHEMA is no name"
case "$url" in
  sqlite:///*)
    engine=sqlite
    file=${url#sqlite:///}
    [[ -f "$file" ]] || misused "there is no database file $file"
    ;;
  postgresql://* | postgres://*)
    engine=postgresql
    command -v psql >/dev/null || misused "psql is not installed"
    ;;
  *) misused "DATABASE_URL must begin with sqlite:/// or postgresql://" ;;
esac

# Runs one statement, in a transaction of its own; prints its one figure, or the rows it changed.
sql() {
  if [[ $engine == sqlite ]]; then
    python3 - "$file" "$1" <<'PYTHON'
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as connection:
    cursor = connection.execute(sys.argv[2])
    if cursor.description:
        row = cursor.fetchone()
        print("" if row is None else row[0])
    else:
        print(cursor.rowcount)
PYTHON
  else
    local found
    found=$(PGOPTIONS="--search_path=$schema" psql -X -q -A -t -v ON_ERROR_STOP=1 "$url" \
      -c "$([[ $1 == DELETE* ]] && echo "WITH gone AS ($1 RETURNING 1) SELECT count(*) FROM gone" || echo "$1")")
    echo "$found"
  fi
}

now=$(date -u +%s)
removed_in_all=0 left=no

# clean TABLE COLUMN LIMIT: deletes rows whose COLUMN lies before LIMIT (as SQL writes it).
clean() {
  local table=$1 column=$2 limit=$3 removed=0 gone upto
  if [[ $dry_run == yes ]]; then
    echo "$table: $(sql "SELECT count(*) FROM $table WHERE $column < $limit") rows would go"
    return
  fi
  while ((removed_in_all < most)); do
    upto=$(sql "SELECT $column FROM $table WHERE $column < $limit ORDER BY $column LIMIT 1 OFFSET $((batch - 1))")
    if [[ -n "$upto" ]]; then
      [[ "$column" == at_ts ]] || upto="'$upto'"
      gone=$(sql "DELETE FROM $table WHERE $column <= $upto")
    else
      gone=$(sql "DELETE FROM $table WHERE $column < $limit")
    fi
    removed=$((removed + gone)) removed_in_all=$((removed_in_all + gone))
    [[ -n "$upto" ]] || break
  done
  echo "$table: $removed rows deleted"
  if ((removed_in_all >= most)) && [[ $(sql "SELECT count(*) FROM $table WHERE $column < $limit") != 0 ]]; then
    left=yes
  fi
}

moment="'$(date -u -d "@$((now - samples_hours * 3600))" '+%Y-%m-%d %H:%M:%S')'"
[[ $engine == sqlite ]] || moment="timestamptz ${moment%\'}+00'"
clean gpu_usage_metrics created_at "$moment"
clean gpu_usage_minutes at_ts $((now - minutes_days * 86400))
clean gpu_usage_hours at_ts $((now - hours_days * 86400))

if [[ $left == yes ]]; then
  echo "more is left: run again, or raise --most" >&2
  exit 3
fi
