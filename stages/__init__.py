"""The stages that come with datapipe: one module each, found by path and imported only when used.

`DATAPIPE_STAGES` tells this package from any other of the same name on the import path.
"""

DATAPIPE_STAGES = True
