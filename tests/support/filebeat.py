"""A Filebeat as small as our configuration: runs the processors of the shipped file.

What a file uses beyond this fails loudly, so that a test never passes over a part of it.
"""

import json
import re
from typing import Any

import yaml

Event = dict[str, Any]
_KEY = re.compile(r"%\{(\+?)(\w+)\}")


def configuration(config_map: str, name: str) -> dict[str, Any]:
    """Return one variant of a ConfigMap; dots in names are kept as written."""
    told: dict[str, Any] = yaml.safe_load(yaml.safe_load(config_map)["data"][name])
    return told


def run(told: dict[str, Any], message: str) -> Event:
    """Return what becomes of a line."""
    event: Event = {"message": message}
    [source] = told["filebeat.inputs"]
    for processor in source["processors"]:
        [(name, options)] = processor.items()
        wanted = options.get("when.regexp.message")
        if wanted is None or re.search(wanted, message):
            _PROCESSORS[name](options, event)
    return event


def _dissect(options: dict[str, Any], event: Event) -> None:
    """Cut at the texts between keys; what `+` names is added to, with the text between."""
    keys = list(_KEY.finditer(options["tokenizer"]))
    ends = [*(key.start() for key in keys[1:]), len(options["tokenizer"])]
    between = [options["tokenizer"][a.end() : b] for a, b in zip(keys, ends, strict=True)]
    rest, found, before = event[options["field"]], {}, ""
    for key, sign in zip(keys, between, strict=True):
        value, cut, left = rest.partition(sign) if sign else (rest, "", "")
        assert cut == sign, f"no {sign!r} in {rest!r}"
        found[key[2]] = found[key[2]] + before + value if key[1] else value
        rest, before = left, sign
    event[options["target_prefix"]] = found


def _decode_json_fields(options: dict[str, Any], event: Event) -> None:
    [field] = options["fields"]
    try:
        event[options["target"]] = json.loads(event[field])
    except ValueError:
        return


def _drop_fields(options: dict[str, Any], event: Event) -> None:
    assert options["ignore_missing"] is True
    for name in options["fields"]:
        above, _, last = name.partition(".")
        event.get(above, {}).pop(last, None)


_PROCESSORS = {
    "add_kubernetes_metadata": lambda _options, _event: None,
    "dissect": _dissect,
    "decode_json_fields": _decode_json_fields,
    "drop_fields": _drop_fields,
}
