"""Checks each file against the specification of Compose: check.py FILE [ADDED-FILE …]

The first file must be complete. The others may name networks and volumes of the first one.
"""

import sys
from pathlib import Path

from compose_spec import PyCompose

for index, path in enumerate(sys.argv[1:]):
    compose = PyCompose.from_yaml(Path(path).read_text())
    if index == 0:
        compose.validate()
    print(*compose.service_names())
