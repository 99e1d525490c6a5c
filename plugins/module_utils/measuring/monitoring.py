# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The monitoring agent as this host sees it: does it answer here, and are our metric files fresh?"""

from __future__ import annotations

import http.client
import os
import re

from .common import ProbeError, iso, modified

AGENT = ("127.0.0.1", 9100)
TEXTFILES = "/var/lib/prometheus/node-exporter"
COLLECTORS = ("backup", "patch")
MOST_BYTES = 16 * 1024 * 1024


def agent():
    """What node_exporter answers on loopback: {answers, reason, node_metrics, textfile_errors}."""
    silent = {"answers": False, "node_metrics": 0, "textfile_errors": None}
    connection = http.client.HTTPConnection(AGENT[0], AGENT[1], timeout=5)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = response.read(MOST_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return dict(silent, reason="%s:%d: %s" % (AGENT[0], AGENT[1], error or type(error).__name__))
    finally:
        connection.close()
    if response.status != 200:
        return dict(silent, reason="%s:%d: HTTP status %d" % (AGENT[0], AGENT[1], response.status))
    return metrics_summary(body)


def metrics_summary(body):
    """The same, from a metrics page; an answer without node_ metrics is something else's answer."""
    count = len(re.findall(r"^node_[a-z]", body, re.MULTILINE))
    errors = re.search(r"^node_textfile_scrape_error(?:\{[^}]*\})? (\S+)$", body, re.MULTILINE)
    return {
        "answers": count > 0,
        "reason": None if count else "the answer holds no node_ metric",
        "node_metrics": count,
        "textfile_errors": int(float(errors.group(1))) if errors else None,
    }


def textfiles():
    """When our metric files were last written: {directory, backup, patch}, null for one that is not there."""
    if os.path.exists(TEXTFILES) and not os.access(TEXTFILES, os.R_OK | os.X_OK):
        raise ProbeError("%s cannot be read" % TEXTFILES)
    found = {"directory": TEXTFILES}
    for collector in COLLECTORS:
        found[collector] = iso(modified("%s/vigie_%s.prom" % (TEXTFILES, collector)))
    return found
