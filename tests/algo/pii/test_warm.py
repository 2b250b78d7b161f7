"""Every kernel is compiled before the work begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from datapipe.algo.pii import chinese, finder, phone_words, scan, scan_numbers, scan_phones
from datapipe.algo.pii.warm import warm_up


def test_warming_up_compiles_each_kernel_once() -> None:
    warm_up()
    kernels: tuple[Any, ...] = (
        *(chinese._scan, finder._count_characters, phone_words._keep, scan.scan_crypto, scan.scan_emails),
        *(scan.scan_ipv6, scan_numbers.scan_ids, scan_numbers.scan_numbers, scan_phones._keep, scan_phones.scan_phones),
    )
    counts = np.array([len(kernel.signatures) for kernel in kernels])
    assert (counts == 1).all()
