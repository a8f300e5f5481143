"""What Schemathesis must not do: take from itself the key that it comes with."""
import os

import schemathesis

KEY = os.environ["POLYCAST_KEY"].split("_")[1]


@schemathesis.hook
def filter_case(context, case) -> bool:
    return KEY not in repr((case.path_parameters, case.body))
