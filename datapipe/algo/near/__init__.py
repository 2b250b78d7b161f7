"""Near duplicates by MinHash and verification: the rounds that find pairs of documents that are nearly the same.

For the stages that look for them, in texts or in prompts: `shingled` makes keys and shingles of texts, `candidates`
pairs documents that share a key, `links` compares these shingle by shingle. What becomes of the links is the stage's.
Costs: see the modules.
"""
