"""Give a model with a prior its words: python3 tools/set_vocabulary.py MODEL.safetensors PRIOR.json INDEX.jsonl

MODEL's "prior.vocabulary" becomes the list in PRIOR.json (words and phrases to suggest) and, behind it, every other
word of the captions in INDEX.jsonl, the most frequent first: so a page can suggest the first and tell which words of a
prompt are none the prior was trained on. MODEL is written anew in place; no tensor and no fingerprint changes.
"""
import collections
import json
import sys

from tesserae import file, words


def others(captions, phrases):
    """Words of the captions that no phrase has, the most frequent first -> list of str."""
    known = {word for phrase in phrases for word in words.split(phrase)}
    count = collections.Counter(word for text in captions for word in words.split(text))
    return [word.decode() for word, _ in count.most_common() if word not in known]


def main():
    model, prior, index = sys.argv[1:]
    with open(prior, encoding="utf-8") as f:
        phrases = json.load(f)["prior"]["vocabulary"]
    with open(index, encoding="utf-8") as f:
        captions = [json.loads(line)["caption"] for line in f]
    tensors, meta = file.read(model)
    config = file.config_of(meta)
    config["prior"]["vocabulary"] = phrases + others(captions, phrases)
    file.write(model, tensors, {**meta, **file.meta(config)})
    print("%d phrases, %d words in all" % (len(phrases), len(config["prior"]["vocabulary"])))


if __name__ == "__main__":
    main()
