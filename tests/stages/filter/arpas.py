"""Small n-gram models, written by hand."""

from __future__ import annotations

from pathlib import Path

# log10 probability, words, log10 back-off weight.
ENGLISH = r"""\data\
ngram 1=6
ngram 2=4
ngram 3=2

\1-grams:
-1.5	<unk>
-99	<s>	-0.3
-0.9	</s>
-0.5	boats	-0.2
-0.7	came	-0.4
-1.1	in

\2-grams:
-0.25	<s> boats	-0.15
-0.35	boats came	-0.05
-0.45	came </s>
-0.6	boats boats

\3-grams:
-0.1	<s> boats came
-0.2	boats came </s>

\end\
"""

CHINESE = r"""\data\
ngram 1=6
ngram 2=3

\1-grams:
-2	<unk>
-99	<s>	-0.5
-1	</s>
-0.5	港	-0.25
-0.75	口	-0.125
-0.25	.	0

\2-grams:
-0.5	<s> 港
-0.25	港 口
-0.125	. </s>

\end\
"""


def models(folder: Path) -> dict[str, str]:
    """Both, in files of a folder."""
    written = {}
    for code, text in (("en", ENGLISH), ("zh", CHINESE)):
        path = folder / f"{code}.arpa"
        path.write_text(text, encoding="utf-8")
        written[code] = str(path)
    return written
