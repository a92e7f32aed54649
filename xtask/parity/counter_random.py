"""The counter-based generator of the crate `tl-random`, bit for bit, in plain Python.

`rng(seed, purpose, step, index)` gives the same numbers as its namesake in Rust, so that the scripts
here and the product draw the same images.

    python xtask/parity/counter_random.py     # checks the known answers
"""

WORD = (1 << 32) - 1
LONG = (1 << 64) - 1


def hash64(text):
    """A 64-bit hash of a text (FNV-1a)."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & LONG
    return state


def mix(value):
    """The finaliser of SplitMix64."""
    z = (value + 0x9E3779B97F4A7C15) & LONG
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & LONG
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & LONG
    return z ^ (z >> 31)


def philox4x32(counter, key):
    """Ten rounds of Philox over a counter of four words and a key of two."""
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (second >> 32) ^ b ^ low, second & WORD, (first >> 32) ^ d ^ high, first & WORD
        low, high = (low + 0x9E3779B9) & WORD, (high + 0xBB67AE85) & WORD
    return [a, b, c, d]


class Rng:
    """A stream of random numbers; made by `rng`."""

    def __init__(self, key, index):
        self.key = (key & WORD, key >> 32)
        self.index = (index & WORD, index >> 32)
        self.block = 0
        self.ready = []

    def next_u32(self):
        if not self.ready:
            counter = (self.block & WORD, self.block >> 32, *self.index)
            self.ready = philox4x32(counter, self.key)[::-1]
            self.block += 1
        return self.ready.pop()

    def next_u64(self):
        return self.next_u32() | self.next_u32() << 32

    def uniform_f64(self):
        """A number in [0, 1), a multiple of 2^-53."""
        return (self.next_u64() >> 11) / (1 << 53)

    def below(self, bound):
        """A whole number in `range(bound)`, without bias (Lemire's rejection)."""
        if bound == 0:
            return 0
        threshold = (1 << 64) % bound
        while True:
            product = self.next_u64() * bound
            if product & LONG >= threshold:
                return product >> 64

    def permutation(self, length):
        """The numbers `0..length` in a random order (Fisher-Yates)."""
        order = list(range(length))
        for last in range(length - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


def rng(seed, purpose, step, index):
    return Rng(mix(mix(mix(seed) ^ hash64(purpose)) ^ step), index)


def check_known_answers():
    """Compares with Random123's published vectors and with numbers printed by the Rust crate."""
    pi_counter = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    answers = [
        ((0,) * 4, (0,) * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ((WORD,) * 4, (WORD,) * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (pi_counter, (0xA4093822, 0x299F31D0), [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ]
    for counter, key, answer in answers:
        assert philox4x32(counter, key) == answer
    assert hash64("features.0.0.weight") == 0xDC61AC3BF1020D2C
    assert mix(12345) == 0x22118258A9D111A0
    assert rng(7, "shuffle", 3, 0).permutation(10) == [1, 3, 9, 6, 2, 7, 0, 8, 5, 4]
    assert rng(3, "shots", 2, 0).permutation(300)[:8] == [40, 106, 155, 164, 129, 269, 116, 36]
    assert rng(LONG, "a", 1 << 40, 1 << 33).next_u64() == 0x2C7D33A754B21A4D
    assert rng(5, "x", 0, 1).uniform_f64() == 0.633826337525305


check_known_answers()

if __name__ == "__main__":
    print("the known answers come out")
