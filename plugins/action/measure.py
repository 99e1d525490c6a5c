# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of ``vigie.msp.measure``: runs the module, then dates the pending updates it found."""

from __future__ import annotations

import os

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.vigie.msp.plugins.module_utils.package_dates import Cache, date_updates


class ActionModule(ActionBase):
    """One module execution on the host; questions to mirrors are asked from here."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        """Return the module's result, with the age of each update added."""
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        wanted = boolean(arguments.get("date_updates", True), strict=False)
        result.update(self._execute_module("vigie.msp.measure", module_args=arguments, task_vars=task_vars))
        measurements = result.get("vigie_measurements")
        if wanted and isinstance(measurements, list):
            date_updates(
                [one for one in measurements if isinstance(one, dict)], Cache(self._cache(arguments))
            )
        return result

    def _cache(self, arguments):
        directory = arguments.get("dates_cache")
        return os.path.expanduser(directory) if directory else None
