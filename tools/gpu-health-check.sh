#!/bin/sh
# Say whether the GPUs of a node are well, for people and for a node problem detector.
#
#   tools/gpu-health-check.sh [--nvidia-smi] [--metrics URL|FILE] [--kernel-log FILE]
#                             [--api URL] [--node NAME] [--expect N] [--hot CELSIUS]
#                             [--strict] [--verbose]
#
#   --nvidia-smi        ask the driver of this machine; so it is where no source is named
#   --metrics           ask dcgm-exporter or gpu-collector (http://NODE:9400/metrics), or a file
#   --kernel-log FILE   look for XID errors; - reads them from standard input (dmesg | ...)
#   --api URL           ask the server for the states of the GPUs of --node;
#                       the key is GPU_MANAGEMENT_API_KEY
#   --node NAME         only the GPUs of this node (needed with --api)
#   --expect N          fewer GPUs than N are a problem
#   --hot CELSIUS       from here on a GPU is suspect (85)
#   --strict            what is only suspect is a problem as well
#   --verbose           one line for each finding on standard error
#
# One line on standard output tells the worst. Several sources together: the worst counts.
# Exit: 0 well, 1 a problem, 2 not known, 3 misused.
set -eu

# As docs/guides/alerts.md and the server judge them.
failing_xids="48 62 64 79 95 119 120 140"
suspect_xids="63 74 92 94"

smi=no metrics='' kernel_log='' api='' node='' expect='' hot=85 strict=no verbose=no

misused() {
  echo "gpu-health-check.sh: $1" >&2
  exit 3
}

number() {
  case $2 in
    '' | *[!0-9]* | ??????*) misused "$1 needs a whole number, not '$2'" ;;
  esac
}

while [ $# -gt 0 ]; do
  case $1 in
    --nvidia-smi) smi=yes; shift; continue ;;
    --strict) strict=yes; shift; continue ;;
    --verbose) verbose=yes; shift; continue ;;
    -h | --help) sed -n '2,22s/^# \{0,1\}//p' "$0"; exit 0 ;;
  esac
  [ $# -ge 2 ] || misused "$1 needs a value, or is unknown; see --help"
  case $1 in
    --metrics) metrics=$2 ;;
    --kernel-log) kernel_log=$2 ;;
    --api) api=${2%/} ;;
    --node) node=$2 ;;
    --expect) number "$1" "$2"; expect=$2 ;;
    --hot) number "$1" "$2"; hot=$2 ;;
    *) misused "there is no option $1; see --help" ;;
  esac
  shift 2
done

case $node in
  *[!A-Za-z0-9.-]*) misused "'$node' is no name of a node" ;;
esac
[ -z "$api" ] || [ -n "$node" ] || misused "--api needs --node"
[ -n "$metrics$kernel_log$api" ] || smi=yes
counts=yes
[ "$smi" = yes ] || [ -n "$metrics$api" ] || counts=no

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
found=$work/found
: > "$found"

# note LEVEL WHO WHY: LEVEL is failing, suspect, unknown, or gpu for each GPU that is there.
note() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$found"; }

# What a command that may hang says; a driver that hangs is itself an answer (124).
patient() {
  if command -v timeout > /dev/null; then timeout 20 "$@"; else "$@"; fi
}

# Findings about XID codes, temperatures and memory, from lines `WHO<TAB>WHAT<TAB>NUMBER`.
judge() {
  awk -F '\t' -v failing="$failing_xids" -v suspect="$suspect_xids" -v hot="$hot" '
    function say(level, why) { printf "%s\t%s\t%s\n", level, $1, why }
    BEGIN {
      split(failing, codes, " "); for (i in codes) level[codes[i]] = "failing"
      split(suspect, others, " "); for (i in others) level[others[i]] = "suspect"
    }
    $2 == "xid" && ($3 in level) { say(level[$3], "XID " $3) }
    $2 == "celsius" && $3 + 0 >= hot + 0 { say("suspect", $3 " C") }
    $2 == "double-bit" && $3 + 0 > 0 { say("suspect", $3 " double-bit errors") }
    $2 == "remap-failed" && $3 + 0 > 0 { say("failing", "no spare memory rows") }
    $2 == "throttled" && $3 + 0 > 0 { say("suspect", "clocks lowered by heat") }
  ' >> "$found"
}

# ask_smi NAME OPTION...: one query of nvidia-smi, its failure told apart.
ask_smi() {
  name=$1 status=0
  shift
  patient nvidia-smi "$@" --format=csv,noheader,nounits > "$work/$name" 2>&1 || status=$?
  return "$status"
}

look_at_driver() {
  if ! command -v nvidia-smi > /dev/null; then
    note unknown driver "nvidia-smi is not here"
    return
  fi
  status=0
  ask_smi gpus --query-gpu=index,uuid,temperature.gpu,ecc.errors.uncorrected.volatile.total ||
    status=$?
  if grep -Eiq 'is lost|fallen off the bus' "$work/gpus"; then
    note failing driver "a GPU has fallen off the bus"
  elif [ "$status" = 124 ]; then
    note failing driver "nvidia-smi hangs"
  elif [ "$status" != 0 ]; then
    note failing driver "nvidia-smi fails ($status)"
  fi
  awk -F ', *' '$2 ~ /^GPU-/ { print "gpu\tGPU " $1 "\t" $2 }' "$work/gpus" >> "$found"
  awk -F ', *' '$2 ~ /^GPU-/ {
    if ($3 ~ /^[0-9]+$/) print "GPU " $1 "\tcelsius\t" $3
    if ($4 ~ /^[0-9]+$/) print "GPU " $1 "\tdouble-bit\t" $4
  }' "$work/gpus" | judge
  look_at_heat
  look_at_rows
}

# Newer drivers call reasons of the clocks events, older ones throttling.
look_at_heat() {
  for word in event throttle; do
    reason=clocks_${word}_reasons
    fields=index,$reason.hw_thermal_slowdown,$reason.sw_thermal_slowdown
    if ask_smi heat --query-gpu="$fields"; then
      awk -F ', *' '$1 ~ /^[0-9]+$/ && ($2 == "Active" || $3 == "Active") {
        print "GPU " $1 "\tthrottled\t1"
      }' "$work/heat" | judge
      return
    fi
  done
}

look_at_rows() {
  if ask_smi rows --query-remapped-rows=gpu_uuid,remapped_rows.failure; then
    awk -F ', *' '
      FNR == NR { if ($2 ~ /^GPU-/) name[$2] = "GPU " $1; next }
      $1 in name && ($2 == "Yes" || $2 + 0 > 0) { print name[$1] "\tremap-failed\t1" }
    ' "$work/gpus" "$work/rows" | judge
  fi
}

look_at_metrics() {
  case $metrics in
    http://* | https://*)
      if ! curl -fsS --max-time 15 "$metrics" > "$work/metrics" 2> "$work/error"; then
        note unknown exporter "does not answer: $(head -c 60 "$work/error" | tr '\n\t' '  ')"
        return
      fi
      ;;
    *)
      [ -r "$metrics" ] || misused "there is no file $metrics"
      cp "$metrics" "$work/metrics"
      ;;
  esac
  awk -v node="$node" '
    function label(name) {
      if (!match($0, "[{,]" name "=\"([^\"\\\\]|\\\\.)*\"")) return ""
      return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
    }
    BEGIN {
      what["DCGM_FI_DEV_GPU_TEMP"] = "celsius"; what["DCGM_FI_DEV_XID_ERRORS"] = "xid"
      what["DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"] = "double-bit"
      what["DCGM_FI_DEV_ROW_REMAP_FAILURE"] = "remap-failed"
    }
    /^DCGM_FI_DEV_[A-Z_]+\{/ {
      host = label("hostname"); if (host == "") host = label("Hostname")
      if (node != "" && host != "" && host != node) next
      who = "GPU " label("gpu"); uuid = label("UUID"); if (uuid == "") uuid = label("uuid")
      if (!(uuid in seen)) { seen[uuid] = 1; print "gpu\t" who "\t" uuid }
      name = $0; sub(/\{.*/, "", name)
      value = $0; sub(/.*\} */, "", value); split(value, parts, " ")
      # Old exporters print what they do not know as a number near 2^63.
      if ((name in what) && parts[1] ~ /^[0-9.eE+-]+$/ && parts[1] + 0 < 9e18)
        row[who "\t" what[name] "\t" (parts[1] + 0)] = 1
    }
    END { for (line in row) print line }
  ' "$work/metrics" > "$work/rows"
  grep '^gpu	' "$work/rows" >> "$found" || note unknown exporter "tells of no GPU"
  grep -v '^gpu	' "$work/rows" | judge
}

look_at_kernel_log() {
  if [ "$kernel_log" = - ]; then
    cat > "$work/kernel"
  else
    [ -r "$kernel_log" ] || misused "there is no file $kernel_log"
    cp "$kernel_log" "$work/kernel"
  fi
  # NVRM: Xid (PCI:0000:3b:00): 79, pid=..., GPU has fallen off the bus.
  sed -n 's/.*NVRM: Xid (PCI:\([0-9A-Fa-f:.]*\)): \([0-9]*\).*/\1	xid	\2/p' "$work/kernel" |
    sort -u | judge
}

look_at_server() {
  {
    echo "url = \"$api/api/v1/gpu/devices?nodeName=$node&format=csv&limit=100\""
    # By file and not by argument: arguments can be seen by everybody on the machine.
    [ -z "${GPU_MANAGEMENT_API_KEY:-}" ] ||
      echo "header = \"Authorization: Bearer $GPU_MANAGEMENT_API_KEY\""
  } > "$work/curl"
  if ! curl -fsS --max-time 15 --config "$work/curl" > "$work/devices" 2> "$work/error"; then
    note unknown server "does not answer: $(head -c 60 "$work/error" | tr '\n\t' '  ')"
    return
  fi
  awk '
    # Take a line of CSV apart: a quoted field may hold commas and doubled quotes.
    function split_csv(line, into,    n, field) {
      n = 0
      while (line != "") {
        if (match(line, /^"([^"]|"")*"/)) {
          field = substr(line, 2, RLENGTH - 2); gsub(/""/, "\"", field)
        } else {
          match(line, /^[^,]*/); field = substr(line, 1, RLENGTH)
        }
        into[++n] = field
        line = substr(line, RLENGTH + 2)
      }
      return n
    }
    { sub(/\r$/, "") }
    NR == 1 { n = split_csv($0, names); for (i = 1; i <= n; i++) at[names[i]] = i; next }
    {
      split("", cell); split_csv($0, cell)
      who = cell[at["deviceId"]]; status = cell[at["status"]]
      sub(/^.*-GPU-/, "GPU ", who)
      print "gpu\t" who "\t" who
      if (status == "FAILED" || status == "OFFLINE") print "failing\t" who "\tis " status
    }
  ' "$work/devices" > "$work/states"
  [ -s "$work/states" ] || note unknown server "knows no GPU of $node"
  cat "$work/states" >> "$found"
}

[ "$smi" = no ] || look_at_driver
[ -z "$metrics" ] || look_at_metrics
[ -z "$kernel_log" ] || look_at_kernel_log
[ -z "$api" ] || look_at_server

[ "$verbose" = no ] || awk -F '\t' '$1 != "gpu" { print $1 ": " $2 ": " $3 }' "$found" >&2

# A node problem detector shows no more than 80 bytes.
awk -F '\t' -v strict="$strict" -v expect="$expect" -v counts="$counts" '
  $1 == "gpu" { if (!($2 in there)) { there[$2] = 1; gpus++ }; next }
  !(($1, $2, $3) in told) {
    told[$1, $2, $3] = 1
    level = ($1 == "suspect" && strict == "yes") ? "failing" : $1
    if (!count[level]++) first[level] = $2 ": " $3
  }
  function line(word, level,    more) {
    more = count[level] > 1 ? " (+" count[level] - 1 " more)" : ""
    print substr(word ": " first[level], 1, 80 - length(more)) more
  }
  END {
    if (expect != "" && gpus + 0 < expect + 0 && !count["unknown"]) {
      if (!count["failing"]++) first["failing"] = gpus + 0 " of " expect " GPUs are there"
    }
    if (count["failing"]) { line("problem", "failing"); exit 1 }
    if (count["unknown"]) { line("unknown", "unknown"); exit 2 }
    if (gpus == 0 && counts == "yes" && expect == "") { print "unknown: no GPU was found"; exit 2 }
    if (count["suspect"]) { line("well, but suspect", "suspect"); exit 0 }
    print counts == "yes" ? "well: " gpus + 0 " GPUs" : "well: no errors in the log"
  }
' "$found"
