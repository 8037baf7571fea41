#!/usr/bin/env python3
"""A second reader of .tess, written from docs/FORMAT.md alone: slow, plain, a witness that the text says enough.

    read_tess.py FILE.tess [--model MODEL.safetensors | --sizes 1024,1024,64]

prints the header and the CRC32 of each level's tokens (little-endian uint16), of all, and of each alpha strip."""
import argparse
import json
import struct
import zlib


class Rans:
    """Section 3.1."""

    def __init__(self, data):
        self.data, self.at, self.x = data, min(4, len(data)), int.from_bytes(data[:4], "big")

    def bit(self, p):
        s = self.x & 65535
        bit = s < p
        self.x = (self.x >> 16) * p + s if bit else (self.x >> 16) * (65536 - p) + s - p
        while self.x < 1 << 24 and self.at < len(self.data):
            self.x, self.at = self.x << 8 | self.data[self.at], self.at + 1
        return int(bit)

    def finish(self):
        if self.x or self.at < len(self.data):
            raise ValueError("a section is damaged")


def make_tables():
    """Section 3.2."""
    squash, power, one = [0] * 4096, 1 << 32, 1 << 32
    for j in range(2048):
        squash[2048 + j] = ((power << 16) + (power + one) // 2) // (power + one)
        squash[2048 - j] = 65536 - squash[2048 + j]
        power += power * 65664 >> 24
    squash[0] = squash[1]
    stretch, x = [], -2047
    for i in range(4096):
        while x < 2047 and squash[x + 2048] < 16 * i + 8:
            x += 1
        stretch.append(x)
    return squash, stretch, [655360 // (10 * n + 16) for n in range(1024)]


SQUASH, STRETCH, RECIPROCAL = make_tables()


def clamp(x, low, high):
    return max(low, min(high, x))


class Mixer:
    """Section 3.4."""

    def __init__(self, weights, rate):
        self.weights, self.rate = list(weights), rate

    def odds(self, z):
        return clamp(sum(a * b for a, b in zip(z, self.weights)) >> 16, -2047, 2047)

    def learn(self, z, p, bit):
        e = ((bit << 16) - p) * self.rate
        self.weights = [w + (a * e + (1 << 19) >> 20) for w, a in zip(self.weights, z)]


class Mixture:
    """Sections 3.3 and 3.7: counters as [P, n], the mixer of one kind of decision, and with a predictor the last mixer."""

    def __init__(self, weights, rate, limit, last=None):
        self.mixer, self.limit, self.last = Mixer(weights, rate), limit, last

    def read(self, rans, counters, odds, predicted=0):
        z = [STRETCH[c[0] >> 10] for c in counters] + [16 * o for o in odds] + [256]
        mixed = self.mixer.odds(z)
        guess = p = SQUASH[2048 + mixed]
        inputs = [mixed, predicted, 256]
        if self.last:
            p = SQUASH[2048 + self.last.odds(inputs)]
        bit = rans.bit(p)
        self.mixer.learn(z, guess, bit)
        if self.last:
            self.last.learn(inputs, p, bit)
        for c in counters:
            c[0] += ((4194303 if bit else 0) - c[0]) * RECIPROCAL[c[1]] >> 16
            c[1] = min(c[1] + 1, self.limit)
        return bit


def mix(a, b):
    return sum((a >> 15 - i & 1) << 15 - 2 * i | (b >> 15 - i & 1) << 14 - 2 * i for i in range(8))


LAST_RATE = 30


def log2_4096(x):
    """Section 3.8: L(x)."""
    e = x.bit_length() - 1
    u, fraction = 2 * (x << 11 >> e) + 1 << 19, 0
    for _ in range(12):
        u = u * u >> 31
        bit = u >> 32
        u, fraction = u >> bit, 2 * fraction + bit
    return 4096 * e + fraction


def make_masses():
    """Section 3.8."""
    masses, power = [], 1 << 32
    for _ in range(4096):
        masses.append(max(1, power + 2048 >> 12))
        power = power * 4278221957 >> 32
    return masses


MASS = make_masses()


class Dense:
    """Section 3.8: a layer. `take` gives the next numbers of the tensor."""

    def __init__(self, take, rows, columns, shift, scaled=True):
        weights = take("b", rows * columns)
        self.weights = [weights[i * columns:(i + 1) * columns] for i in range(rows)]
        self.bias, self.shift = take("i", rows), shift
        self.scale = take("H", rows) if scaled else None

    def sums(self, x):
        return [sum(a * b for a, b in zip(w, x)) + bias for w, bias in zip(self.weights, self.bias)]

    def activations(self, x, least):
        half = 1 << self.shift - 1
        return [clamp(s * m + half >> self.shift, least, 32767) for s, m in zip(self.sums(x), self.scale)]


class Predictor:
    """Section 3.8: the net of one level, and what it says about one place."""

    def __init__(self, data, level, size, depths):
        version, dim, hidden, query = struct.unpack_from("<BBHH", data)
        if version != 1:
            raise ValueError("a predictor of another version")
        shifts, at = data[6:11], 12

        def take(kind, count):
            nonlocal at
            form, start = "<%d%s" % (count, kind), at
            at += struct.calcsize(form)
            return struct.unpack_from(form, data, start)

        self.level, self.size = level, size
        self.codes = [[take("b", dim) for _ in range(size + 1)] for _ in range(level + 1)]
        taps = 40 + (25 if level else 0)
        self.first = Dense(take, hidden, taps * dim, shifts[0])
        self.inner = Dense(take, hidden, hidden, shifts[1])
        self.outer = Dense(take, hidden, hidden, shifts[2])
        self.query = Dense(take, query, hidden, shifts[3])
        self.last = Dense(take, size, query, shifts[4], scaled=False)
        self.mix = [[16 * w for w in take("h", 3)] for _ in range(depths)]
        if at != len(data):
            raise ValueError("a predictor has not the bytes that its sizes ask for")

    def window(self, tiles, rows, columns, y, x):
        def code(level, dy, dx):
            inside = 0 <= y + dy < rows and 0 <= x + dx < columns
            return self.codes[level][tiles[level][y + dy][x + dx] if inside else self.size]

        before = [(dy, dx) for dy in range(-4, 0) for dx in range(-4, 5)] + [(0, dx) for dx in range(-4, 0)]
        out = [v for dy, dx in before for v in code(self.level, dy, dx)]
        around = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)] if self.level else []
        return out + [sum(v) for dy, dx in around for v in zip(*(code(l, dy, dx) for l in range(self.level)))]

    def look(self, tiles, rows, columns, y, x, frequent):
        """frequent: the token that the flag stands for, or None."""
        h = self.first.activations(self.window(tiles, rows, columns, y, x), 0)
        inner = self.inner.activations(h, 0)
        h = [clamp(a + b, 0, 32767) for a, b in zip(h, self.outer.activations(inner, -32767))]
        likely = [s >> self.last.shift for s in self.last.sums(self.query.activations(h, -32767))]
        best = max(likely)
        self.mass = [MASS[min(best - l, 4095)] for l in likely]
        self.most = 0
        if frequent is not None:
            self.most, self.mass[frequent] = self.mass[frequent], 0

    @staticmethod
    def odds(ones, zeros):
        if not ones or not zeros:
            return 0
        return clamp((log2_4096(ones) - log2_4096(zeros)) * 2839 >> 16, -2047, 2047)

    def flag_odds(self):
        return self.odds(self.most, sum(self.mass))

    def bit_odds(self, first, half):
        return self.odds(sum(self.mass[first + half:first + 2 * half]), sum(self.mass[first:first + half]))


class Level:
    """One section of tokens: sections 2 and 3.5 to 3.8. `below`: the tiles of the lower levels, each rows of tokens;
    `predictor`: the bytes of the level's predictor, if the file was coded with it."""

    def __init__(self, level, sizes, tables, frequents, predictor, below, rows, columns):
        self.level, self.sizes, self.frequents, self.tiles = level, sizes, frequents, below
        self.rows, self.columns, self.size = rows, columns, sizes[level]
        self.bits = [max(0, (k - 1).bit_length()) for k in sizes]
        self.flag, self.b = int(level > 0), self.bits[level]
        self.place, count = [], 0
        for i in range(self.flag + self.b):
            d = max(0, i - self.flag)
            widths = [0] + [max(0, min(8, (11 if level else 12) - d))] * 4
            starts = []
            for b in widths:
                starts.append(count)
                count += 1 << b + d
            self.place.append((starts + [count], widths))
            count += 243
        n = self.flag + self.b
        if tables.get(level) is None:
            self.odds, self.counters = [0] * count, [[1 << 21, 0] for _ in range(count)]
            weights = [[19660] * 6 + [0] * 7] * n
        else:
            t = tables[level]
            weights = [[16 * w for w in struct.unpack_from("<13h", t, 4 + 26 * i)] for i in range(n)]
            self.odds = [max(-127, o) for o in struct.unpack_from("<%db" % count, t, 4 + 26 * n)]
            self.counters = [[SQUASH[2048 + 16 * o] << 6, 1] for o in self.odds]
        self.predictor = Predictor(predictor, level, self.size, n) if predictor else None
        last = [Mixer(w, LAST_RATE) for w in self.predictor.mix] if predictor else [None] * n
        self.mixtures = [Mixture(w, 14, 30, l) for w, l in zip(weights, last)]

    def aligned(self, level, y, x):
        return self.tiles[level][y][x] << 16 - self.bits[level]

    def is_frequent(self, level, y, x):
        inside = 0 <= y < self.rows and 0 <= x < self.columns
        return int(inside and self.tiles[level][y][x] == self.frequents[level])

    def near(self, y, x):
        t = lambda dy, dx: self.aligned(self.level, y + dy, x + dx)
        n = t(-1, 0) if y else None
        w = t(0, -1) if x else n if y else 0
        n = w if n is None else n
        nw, ne = t(-1, -1) if y and x else n, t(-1, 1) if y and x + 1 < self.columns else n
        return [w, n, nw, ne, t(0, -2) if x > 1 else w]

    def flag_values(self, y, x):
        f, l = self.is_frequent, self.level
        around = sum(f(l, y + dy, x + dx) << 15 - i
                     for i, (dy, dx) in enumerate([(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)]))
        below = 0 if l == 1 else sum(f(l - 1, y + dy, x + dx) << i
                                     for i, (dy, dx) in enumerate([(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)]))
        u, q = self.aligned(l - 1, y, x), self.aligned(0, y, x)
        return [0, around, around & 0xC000 | u >> 2, q, around & 0xF000 | (below & 1) << 11 | q >> 5], below

    def decide(self, rans, i, values, last, node):
        starts, widths = self.place[i]
        d = max(0, i - self.flag)
        at = [s + (v >> 16 - b << d) + node for s, v, b in zip(starts, values, widths)] + [starts[5] + last]
        predicted, half = 0, 1 << max(0, self.b - 1 - d)
        if self.predictor:
            predicted = self.predictor.flag_odds() if i < self.flag else self.predictor.bit_odds(2 * node * half, half)
        return self.mixtures[i].read(rans, [self.counters[a] for a in at], [self.odds[a] for a in at], predicted)

    def possible(self, first, end):
        return any(t < self.size and not (self.flag and t == self.frequents[self.level]) for t in range(first, end))

    def token(self, rans, y, x):
        near = self.near(y, x)
        if self.predictor:
            frequent = self.frequents[self.level] if self.flag else None
            self.predictor.look(self.tiles, self.rows, self.columns, y, x, frequent)
        if self.flag:
            values, below = self.flag_values(y, x)
            if self.decide(rans, 0, values, below, 0):
                return self.frequents[self.level]
        fourth = self.aligned(self.level - 1, y, x) if self.flag else mix(near[3], near[2])
        values, node = [0, near[0], near[1], mix(near[1], near[0]), fourth], 0
        for d in range(self.b):
            h = 1 << self.b - 1 - d
            first = 2 * node * h
            zero, one = self.possible(first, first + h), self.possible(first + h, first + 2 * h)
            if zero and one:
                state = 0
                for a in near:
                    state = state * 3 + (1 + (a >> 15 - d & 1) if a >> 16 - d == node else 0)
                bit = self.decide(rans, self.flag + d, values, state, node)
            else:
                bit = int(one)
            node = 2 * node + bit
        return node

    def read(self, data):
        rans = Rans(data)
        tile = [[0] * self.columns for _ in range(self.rows)]
        self.tiles = self.tiles + [tile]
        for y in range(self.rows):
            for x in range(self.columns):
                tile[y][x] = self.token(rans, y, x)
        rans.finish()
        return tile


def read_alpha(data, rows, columns):
    """Section 5."""
    rans, out = Rans(data), [[0] * columns for _ in range(rows)]
    start = lambda *shape: [1 << 21, 0] if not shape else [start(*shape[1:]) for _ in range(shape[0])]
    questions, bits = start(2, 3, 1024), start(3, 16, 256)
    mixtures = [Mixture([26214] * 3 + [0], 6, 255) for _ in range(10)]
    kind = lambda v: 0 if v == 0 else 1 if v == 255 else 2
    for y in range(rows):
        for x in range(columns):
            n = out[y - 1][x] if y else 255
            w = out[y][x - 1] if x else n
            n = n if y else w
            nw = out[y - 1][x - 1] if y and x else n
            ne = out[y - 1][x + 1] if y and x + 1 < columns else n
            ww, nn = out[y][x - 2] if x > 1 else w, out[y - 2][x] if y > 1 else n
            pattern = (w == n) + 2 * (w == nw) + 4 * (n == ne) + 8 * (n == nn) + 16 * (w == ww)

            def ask(k):
                q = questions[k]
                used = [q[0][(3 * kind(w) + kind(n)) * 32 + pattern],
                        q[1][4 * (n if k else w) + (w == n) + 2 * (n == ne)],
                        q[2][64 * (w >> 4) + 4 * (n >> 4) + (w == nw) + 2 * (n == nn)]]
                return mixtures[k].read(rans, used, [])

            if ask(0):
                out[y][x] = w
            elif n != w and ask(1):
                out[y][x] = n
            else:
                guess, node = clamp(w + n - nw, 0, 255), 1
                steep = (abs(w - nw) + abs(n - nw)).bit_length()
                for i in range(8):
                    used = [bits[0][0][node], bits[1][steep][node], bits[2][guess >> 4][node]]
                    node = 2 * node + mixtures[9 - i].read(rans, used, [])
                out[y][x] = guess + node & 255
    rans.finish()
    return out


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fingerprint(predictors):
    """Section 3.8."""
    h = 0xcbf29ce484222325
    for level in sorted(predictors):
        for byte in predictors[level]:
            h = (h ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return h & 0xffffffff


def read_file(data, sizes, tables, predictors):
    """-> (header, {level: rows of tokens}, [alpha strips]). Section 1; raises ValueError where something is wrong."""
    if data[:4] != b"TESS" or data[4] != 1:
        raise ValueError("no .tess file of version 1")
    h = {"flags": data[5], "model": "%016x" % struct.unpack_from("<Q", data, 6)}
    at = 14
    if h["flags"] & 4:
        h["predictors"], at = "%08x" % struct.unpack_from("<I", data, at), at + 4
        if h["predictors"] != "%08x" % fingerprint(predictors):
            raise ValueError("the file was coded with predictors %s, which the model has not" % h["predictors"])
    for key in ("width", "height", "columns", "rows"):
        h[key], at = varint(data, at)
    h["levels"], side, at = data[at], data[at + 1] * 8, at + 2
    tiles = [(y, x) for y in range(0, h["rows"], side) for x in range(0, h["columns"], side)]
    strips = -(-h["height"] // 64) if h["flags"] & 1 else 0
    lengths = []
    for _ in range(strips + h["levels"] * len(tiles)):
        n, at = varint(data, at)
        lengths.append(n)
    sections = []
    for n in [at] + lengths:  # the header's own checksum first
        body, at = (data[:at], at) if not sections else (data[at:at + n], at + n)
        if n and zlib.crc32(body) != struct.unpack_from("<I", data, at)[0]:
            raise ValueError("a checksum does not match")
        sections.append(body)
        at += 4 if n else 0
    sections = iter(sections[1:])
    alpha = [read_alpha(next(sections), min(64, h["height"] - 64 * i), h["width"]) for i in range(strips)]
    frequents = [tables[l][2] | tables[l][3] << 8 if tables.get(l) else 0 for l in range(len(sizes))]
    grids = [[[0] * h["columns"] for _ in range(h["rows"])] for _ in range(h["levels"])]
    for level in range(h["levels"]):
        for y, x in tiles:
            rows, columns = min(side, h["rows"] - y), min(side, h["columns"] - x)
            below = [[grids[l][y + r][x:x + columns] for r in range(rows)] for l in range(level)]
            predictor = predictors.get(level) if h["flags"] & 4 else None
            tile = Level(level, sizes, tables, frequents, predictor, below, rows, columns).read(next(sections))
            for r in range(rows):
                grids[level][y + r][x:x + columns] = tile[r]
    return h, grids, alpha


def read_model(path):
    """-> (codes per level, {level: table}, {level: predictor}) of a model file."""
    with open(path, "rb") as f:
        head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        body = f.read()
    q = json.loads(head["__metadata__"]["tesserae"])["quantizer"]
    sizes = [q["size"]] * q["levels"] if q["type"] == "vq" else [1]
    for n in q.get("bins", []):
        sizes[0] *= n
    found = lambda kind: {l: body[slice(*head["%s.%d" % (kind, l)]["data_offsets"])]
                          for l in range(len(sizes)) if "%s.%d" % (kind, l) in head}
    return sizes, found("entropy"), found("predictor")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("file")
    ap.add_argument("--model")
    ap.add_argument("--sizes", help="codes per level, for a model without tables")
    a = ap.parse_args()
    model = read_model(a.model) if a.model else ([int(n) for n in (a.sizes or "1024").split(",")], {}, {})
    h, grids, alpha = read_file(open(a.file, "rb").read(), *model)
    print(json.dumps(h))
    levels = [b"".join(struct.pack("<%dH" % len(r), *r) for r in rows) for rows in grids]
    for level, tokens in enumerate(levels):
        print("level", level, "%08x" % zlib.crc32(tokens))
    print("tokens", "%08x" % zlib.crc32(b"".join(levels)))
    for i, rows in enumerate(alpha):
        print("alpha", i, "%08x" % zlib.crc32(b"".join(bytes(r) for r in rows)))


if __name__ == "__main__":
    main()
