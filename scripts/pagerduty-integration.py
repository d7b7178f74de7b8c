#!/usr/bin/env python3
"""Open and close incidents at PagerDuty (Events API v2), by hand or from another program.

Needs nothing but Python; importing it sends nothing. The routing key comes from
PAGERDUTY_ROUTING_KEY or --routing-key-file. The key of an incident is made once, in UTC, and kept
in --state, so that the incident is resolved after midnight too.

    pagerduty-integration.py trigger critical "GPU 0 is hot" gpu-worker-1 -d temperature=87.5°C
    pagerduty-integration.py resolve gpu-worker-1

Exit codes: 0 done, 1 PagerDuty refused, 2 wrong usage, 3 PagerDuty cannot be reached.
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
import urllib.error
import urllib.request

API_URL = "https://events.pagerduty.com/v2/enqueue"
SEVERITIES = ("critical", "error", "warning", "info")
COMPONENT = "gpu-management"
GROUP = "gpu-cluster"
CLASS = "gpu-hardware"
DONE, REFUSED, MISUSED, UNREACHABLE = 0, 1, 2, 3
SUCCESS = 2
"""First digit of the statuses that mean yes."""
LONGEST_SUMMARY = 1024
LONGEST_KEY = 255


class Response:
    """What PagerDuty answered, and the key of the incident it is about."""

    def __init__(self, status_code, text, dedup_key):
        """Keep the answer."""
        self.status_code = status_code
        self.text = text
        self.dedup_key = dedup_key

    @property
    def ok(self):
        """Tell whether PagerDuty took the event."""
        return self.status_code // 100 == SUCCESS

    def json(self):
        """Return the answer as JSON."""
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The routing key goes to one address only."""

    def redirect_request(self, *_arguments):
        """Follow nothing."""


class PagerDutyIntegration:
    """Events of one PagerDuty service."""

    def __init__(self, routing_key, api_url=API_URL, timeout=10):
        """Keep the integration key of the service; nothing is sent."""
        self.routing_key = routing_key
        self.api_url = api_url
        self.timeout = timeout

    def trigger_alert(  # noqa: PLR0917 - the names and order that callers know
        self, severity, summary, source, component=None, group=None, custom_details=None
    ):
        """Open an incident; `dedup_key` of the answer closes it.

        Raises:
            ValueError: no such severity.
            OSError: PagerDuty cannot be reached.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"severity is one of {', '.join(SEVERITIES)}; not {severity!r}")
        component = component or COMPONENT
        payload = {
            "routing_key": self.routing_key,
            "event_action": "trigger",
            "dedup_key": dedup_key(source, component),
            "payload": {
                "summary": summary[:LONGEST_SUMMARY],
                "source": source,
                "severity": severity,
                "component": component,
                "group": group or GROUP,
                "class": CLASS,
                "custom_details": custom_details or {},
            },
        }
        return self._send(payload)

    def resolve_alert(self, dedup_key):
        """Close the incident of a key.

        Raises:
            OSError: PagerDuty cannot be reached.
        """
        return self._send(
            {
                "routing_key": self.routing_key,
                "event_action": "resolve",
                "dedup_key": dedup_key,
            }
        )

    def _send(self, payload):
        request = urllib.request.Request(
            self.api_url,
            data=json.dumps(payload).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                return _response(answer.status, answer.read(), payload)
        except urllib.error.HTTPError as refused:
            with refused:
                return _response(refused.code, refused.read(), payload)


def dedup_key(source, component, now=None):
    """Return the key of an incident that begins now, by the day in UTC."""
    now = now or datetime.datetime.now(datetime.UTC)
    return f"gpu-{source}-{component}-{now:%Y%m%d}"[:LONGEST_KEY]


def _response(status, body, payload):
    return Response(status, body.decode("utf-8", "replace"), payload["dedup_key"])


class Keys:
    """The keys of open incidents, in a file."""

    def __init__(self, path):
        """Keep where they are."""
        self.path = path

    def all(self):
        """Return every key by its source and component."""
        try:
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return {}
        return {str(name): str(key) for name, key in found.items()}

    def keep(self, name, key):
        """Remember a key, or forget it when it is None; the file is replaced in one step."""
        keys = self.all()
        if key is None:
            keys.pop(name, None)
        else:
            keys[name] = key
        folder = os.path.dirname(os.path.abspath(self.path))
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=folder, prefix=".pagerduty-", delete=False
        ) as file:
            json.dump(keys, file, indent=1)
        os.replace(file.name, self.path)


def trigger(pagerduty, keys, options):
    """Open an incident, or add to the open one of the same source and component."""
    answer = pagerduty.trigger_alert(
        options.severity,
        options.summary,
        options.source,
        component=options.component,
        group=options.group,
        custom_details=dict(options.details),
    )
    if answer.ok:
        keys.keep(_name(options), answer.dedup_key)
    return answer


def resolve(pagerduty, keys, options):
    """Close the incident of a source and component, on whatever day it began."""
    key = options.key or keys.all().get(_name(options))
    key = key or dedup_key(options.source, options.component)
    answer = pagerduty.resolve_alert(key)
    if answer.ok:
        keys.keep(_name(options), None)
    return answer


def _name(options):
    return f"{options.source}/{options.component}"


def _detail(text):
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _parser():
    parser = argparse.ArgumentParser(description="Open and close incidents at PagerDuty.")
    parser.add_argument("--routing-key-file", help="file with the key; else PAGERDUTY_ROUTING_KEY")
    parser.add_argument("--url", default=API_URL, help="other address, such as the EU's")
    parser.add_argument("--timeout", type=float, default=10, help="seconds")
    parser.add_argument(
        "--state", default="pagerduty-incidents.json", help="file with the keys of open incidents"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    opening = commands.add_parser("trigger", help="open an incident")
    opening.add_argument("severity", choices=SEVERITIES)
    opening.add_argument("summary")
    opening.add_argument("source", help="what it is about, such as a node")
    opening.add_argument("--group", default=GROUP)
    opening.add_argument(
        "-d", "--detail", dest="details", type=_detail, action="append", default=[]
    )
    opening.set_defaults(run=trigger)
    closing = commands.add_parser("resolve", help="close it")
    closing.add_argument("source")
    closing.add_argument("--key", help="key of the incident, where the state file has none")
    closing.set_defaults(run=resolve)
    for one in (opening, closing):
        one.add_argument("--component", default=COMPONENT)
    return parser


def _routing_key(options):
    key = os.environ.get("PAGERDUTY_ROUTING_KEY", "").strip()
    if options.routing_key_file:
        with open(options.routing_key_file, encoding="utf-8") as file:
            key = file.read().strip()
    if not key:
        raise ValueError("no routing key: set PAGERDUTY_ROUTING_KEY or --routing-key-file")
    return key


def main(arguments=None):
    """Run a command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        pagerduty = PagerDutyIntegration(_routing_key(options), options.url, options.timeout)
        answer = options.run(pagerduty, Keys(options.state), options)
    except urllib.error.URLError as failed:
        print(f"cannot reach PagerDuty: {failed.reason}", file=sys.stderr)
        return UNREACHABLE
    except TimeoutError:
        print("PagerDuty did not answer in time", file=sys.stderr)
        return UNREACHABLE
    except (OSError, ValueError) as wrong:
        print(f"pagerduty-integration: {wrong}", file=sys.stderr)
        return MISUSED
    if not answer.ok:
        print(f"PagerDuty answered {answer.status_code}: {answer.text[:300]}", file=sys.stderr)
        return REFUSED
    print(answer.dedup_key)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
