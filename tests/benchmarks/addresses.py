"""How fast URLs are put into one form: microseconds of CPU time a URL, the median of three rounds.

python -m tests.benchmarks.addresses
"""

from __future__ import annotations

import statistics
import time

import pyarrow as pa

from datapipe.algo.addresses import Rules, normal_urls

COUNT = 50_000
FORMS = {
    "plain": "https://www.host{}.example/some/path/{}.html",
    "query": "https://host{}.example/p?id={}&utm_source=x&a=b",
    "odd path": "https://host{}.example/a/../%e4%bd%a0/{}",
}


def main() -> None:
    """Print a line for each kind of URL."""
    for name, form in FORMS.items():
        urls = pa.array([form.format(n % 100, n) for n in range(COUNT)])
        times = []
        for _ in range(3):
            began = time.process_time()
            normal_urls(urls, Rules())
            times.append(time.process_time() - began)
        print(f"{name:<9} {statistics.median(times) / COUNT * 1e6:5.1f} microseconds")


if __name__ == "__main__":
    main()
