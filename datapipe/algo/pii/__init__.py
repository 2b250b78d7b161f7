"""Personal data in text: where presidio's recognisers could match, what they find there, and what they get wrong.

`scan`, `scan_numbers` and `scan_phones` look for places in UTF-8 buffers (`phone_shapes` and `automaton` tell which
digits can be a telephone number), `recognisers` tries presidio's own patterns there (`endless` those that look ahead
without end), `phones` its telephone numbers, `context` its context words, `finder` puts them together. `mended` finds
what presidio misses and takes back what it invents, `phone_words` tells telephone numbers by words, `chinese` and
`secrets` know what presidio does not, `names` asks language models.
"""
