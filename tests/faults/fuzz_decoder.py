"""`python -m tests.faults.fuzz_decoder`: the decoders under atheris, coverage-guided; `pip install atheris` first.

    python -m tests.faults.fuzz_decoder FOLDER [-max_total_time=600] [-max_len=4096]     libFuzzer's options

FOLDER gets the golden messages as seeds and then what the fuzzer finds worth keeping. What deserves to stay goes into
tests/faults/corpus, which the tests run through the same decoders.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["edge"]):
        from tests.faults import fuzz_target
    folder = Path(sys.argv[1])
    fuzz_target.write_seeds(folder)
    atheris.Setup([sys.argv[0], str(folder), *sys.argv[2:]], fuzz_target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
