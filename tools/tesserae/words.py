"""Words of a prompt and the features that stand for them: the same bytes give the same rows as in the C core."""
import collections
import re

import torch

MOST = 32  # features of a word
WORD = re.compile(rb"[a-z0-9\x80-\xff]+")

# A list of distinct words for embedding_bag. features: int64 [T], the words' rows one after the other; offsets: int64
# [V], where each word's rows begin. Word 0 is "no word" and has none.
Lexicon = collections.namedtuple("Lexicon", "features offsets")


def split(text, limit=None):
    """The first `limit` words of `text` (str, or bytes in UTF-8): maximal runs of a-z, 0-9 and bytes from 0x80 on, A to
    Z lowered -> list of bytes."""
    raw = text.encode() if isinstance(text, str) else text
    return WORD.findall(raw.lower())[:limit]


def fnv1a(data, h=0x811c9dc5):
    """FNV-1a of `data` (bytes), 32 bits."""
    for byte in data:
        h = (h ^ byte) * 0x01000193 & 0xffffffff
    return h


def rows(word, buckets):
    """The word's (bytes) rows in a table of `buckets`: of itself, then of the windows of three bytes of <word>."""
    edged = b"<" + word + b">"
    features = [b"w" + word] + [b"g" + edged[i:i + 3] for i in range(len(edged) - 2)]
    return [fnv1a(f) % buckets for f in features[:MOST]]


def read(texts, limit, buckets):
    """Texts -> (their lexicon, prompts: int64 [texts][limit], the words' numbers in it, 0 where a text has no more)."""
    number, flat, offsets = {}, [], [0]
    prompts = torch.zeros(len(texts), limit, dtype=torch.int64)
    for text, prompt in zip(texts, prompts):
        for i, word in enumerate(split(text, limit)):
            if word not in number:
                offsets.append(len(flat))
                flat += rows(word, buckets)
                number[word] = len(offsets) - 1
            prompt[i] = number[word]
    return Lexicon(torch.tensor(flat, dtype=torch.int64), torch.tensor(offsets)), prompts
