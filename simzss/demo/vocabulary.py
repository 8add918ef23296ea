"""The words of the demo's captions beside the class names: what makes a caption more than a list of labels.

Real captions name a thing by words that no bank holds, mention what is not in the picture, and use class names as
verbs. All of that is here, as data.
"""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "car": ("automobile", "sedan"),
    "truck": ("lorry",),
    "bicycle": ("bike", "two-wheeler"),
    "boat": ("yacht", "vessel"),
    "airplane": ("jet", "airliner"),
    "dog": ("puppy", "hound"),
    "cat": ("kitten", "kitty"),
    "bird": ("robin", "sparrow"),
    "turtle": ("tortoise",),
    "sheep": ("lamb",),
    "person": ("man", "woman", "somebody in jeans"),
    "teddy bear": ("plush toy", "stuffed toy"),
    "house": ("cottage", "home"),
    "tent": ("shelter",),
    "traffic light": ("signal",),
    "fire hydrant": ("standpipe",),
    "street lamp": ("lantern",),
    "tree": ("oak", "maple"),
    "palm tree": ("coconut palm",),
    "mushroom": ("toadstool",),
    "sunflower": ("blossom",),
    "umbrella": ("parasol",),
    "guitar": ("instrument",),
    "clock": ("timepiece", "dial"),
    "bottle": ("flask",),
    "pizza": ("snack",),
    "banana": ("fruit",),
    "apple": ("fruit",),
    "grass": ("lawn", "meadow"),
    "sand": ("beach", "dunes"),
    "water": ("sea", "lake", "waves"),
    "road": ("asphalt", "tarmac"),
    "gravel": ("pebbles", "stones"),
    "brick wall": ("masonry",),
    "wood floor": ("planks", "parquet"),
    "tile floor": ("checkerboard",),
    "flower bed": ("garden",),
    "snow": ("ice",),
    "sky": ("clouds",),
}
"""Words for a class that the bank does not hold: whoever reads the caption by the bank finds nothing there."""

ADJECTIVES = (
    "old",
    "new",
    "small",
    "large",
    "lovely",
    "lonely",
    "shiny",
    "funny",
    "tiny",
    "pretty",
    "plain",
    "strange",
)
"""Said of anything; a thing's own colour is said too."""

VERBS = ("stands", "rests", "waits", "sits", "lies", "can be seen", "appears", "is left", "is placed", "was found")
PLURAL_VERBS = ("stand", "rest", "wait", "sit", "lie", "can be seen", "appear", "are left", "were found")

IDLE_REMARKS = (
    "on a quiet afternoon",
    "during the holiday",
    "as seen from my window",
    "after the party",
    "near the village",
    "in this old photo",
    "for the first time this year",
    "in front of the camera",
    "like in a dream",
    "before lunch",
    "at the edge of the picture",
    "to the surprise of the neighbours",
)
"""Nouns that stand for nothing in the picture."""

VERBAL = (
    "somebody came to water the plants",
    "workers sand the boards nearby",
    "it may snow tomorrow",
    "prices mushroom in town",
    "the buyers house their guests",
    "they fish here every summer",
    "my cousin clocks in at nine",
    "people dog his steps",
    "the guide will bus everybody home",
    "prices balloon in this town",
    "waiting for the bus",
    "no car in sight",
)
"""Class names as another part of speech, or of things that are not there. A look-up by words is fooled by these."""

COLOUR_WORDS: dict[str, str] = {
    "silver": "grey",
    "wood": "brown",
    "cream": "pale",
    "lime": "bright green",
    "skin": "pale",
}
"""What people call a colour of the paint box, where it is not its own name."""
