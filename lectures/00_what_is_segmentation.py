# %% [markdown]
# # Lecture 00 · What is segmentation?
#
# Welcome. You look at a photograph and see at once what is in it, where it is and where it ends. This course teaches a computer to say the same, pixel by pixel, and you will
# build every part of it yourself. Today we only need to understand the *question*.
#
# After this lecture you can
#
# 1. say what classification, detection, semantic, instance and panoptic segmentation answer, and in which form,
# 2. tell *things* from *stuff*,
# 3. turn a label map into colours, into boxes, and into one panoptic map and back,
# 4. write a label map as one-hot vectors, read it back, and count the classifiers that a picture needs,
# 5. measure an answer with panoptic quality, by hand and by program.
#
# About 60 minutes without the parts marked *at home*. You need some Python and a little NumPy. You need to know nothing about networks.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.label_grid import CLASSES, PALETTE, label_grid, ragged_rows
from segedu.data.polygons import photograph_masks
from segedu.data.synthetic import cells, street, tabletop
from segedu.numpy_ops import panoptic_quality

figures.use_style()

# %% [markdown]
# ## 1 · A photograph is an array of numbers
#
# Here is a photograph. For the computer it is an array: rows, columns, and three numbers for each **pixel** (picture element): how much red, green and blue, from 0 to 255.
#
# **Predict, then run.** It has 400 rows and 600 columns. How many numbers is that?

# %%
coffee = photograph_masks("coffee")
print(coffee.image.shape, "=", f"{coffee.image.size:,} numbers")
print("red, green, blue in row 300, column 342:", *coffee.image[300, 342])

# %% jupyter={"source_hidden": true}
# Figure: the photograph, six by six pixels of it, and their red numbers
top, left = 300, 342
patch = coffee.image[top : top + 6, left : left + 6]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.1), width_ratios=[3.6, 2.4, 2.4], layout="constrained")
figures.draw_image(axes[0], coffee.image, "the photograph")
axes[0].add_patch(plt.Rectangle((left - 9, top - 9), 24, 24, fill=False, ec="white", lw=3))
figures.draw_image(axes[1], patch, "6×6 pixels in the frame")
figures.draw_array(axes[2], patch[:, :, 0], "their red numbers", cmap="Greys_r", fontsize=12)
figures.show(
    fig,
    alt="A cup of coffee on a red saucer with a spoon, on a wooden table; a small frame on "
    "the bowl of the spoon; six by six pixels from there, and the red number of each.",
    dpi=90,
)

# %% [markdown]
# The computer has nothing but these numbers. "Spoon" is written nowhere among them.
#
# Rows are counted from the top and columns from the left, both from 0. `image[i, j]` is the pixel in row $i$ and column $j$.

# %% [markdown]
# ## 2 · Five questions, five answers
#
# What do we want to know about the photograph? There are five usual questions.
#
# | task | question | answer |
# |---|---|---|
# | classification | What is in the picture? | one class for the whole picture |
# | detection | Which objects, and where? | a class and a box for each object |
# | semantic segmentation | What is at each pixel? | a class for each pixel |
# | instance segmentation | Which pixels does each object cover? | a class and a mask for each object |
# | panoptic segmentation | Both at once | a class for each pixel, and the number of its object if it has one |
#
# A **class** (or category) is a kind: *cup*. An **instance** is one object of that kind: *this* cup. A set of pixels is called a **mask**. The masks
# of all objects fit into one array: each pixel holds the number of its object, or 0.
#
# Nothing is computed in this section: we drew the answers by hand, corner by corner. An answer that a person has made and checked is called the **ground truth**.
#
# **Predict, then run.** We drew three objects: saucer, cup and spoon. A box is a class and four edges; a pixel's answer is one whole number. How many numbers is the detection? The semantic answer?

# %%
objects = [segment for segment in coffee.segments if segment.instance]
classification = "coffee"
detection = [(segment.name, *segment.box) for segment in objects]
semantic, instances, panoptic = coffee.semantic, coffee.instances, coffee.panoptic

print("classification: 1 number, the class", repr(classification))
print("detection:", 5 * len(detection), "numbers: a class and four edges for each box")
print(*detection, sep="\n")
for name in ("semantic", "instances", "panoptic"):
    answer = getattr(coffee, name)
    print(f"{name}: {answer.size:,} numbers, values", np.unique(answer))

# %% jupyter={"source_hidden": true}
# Figure: how the five answers are drawn
def five_answers(masks, what, height=1.9):
    things = [segment for segment in masks.segments if segment.instance]
    labels = [segment.label for segment in things]
    own = masks.palette[labels]  # one object of each class: it keeps the colour of its class
    if len(set(labels)) < len(labels):
        own = figures.class_palette(len(things) + 1, background=True)[1:]
    by_number = figures.colourise(masks.instances, np.vstack([[[255] * 3], own]))
    by_class = figures.colourise(masks.semantic, masks.palette)
    both = np.where((masks.instances > 0)[:, :, None], by_number, by_class)
    pale = (0.35 * masks.image + 0.65 * 255).astype(np.uint8)
    fig = figures.images_row(
        [masks.image, pale, masks.image, by_class, by_number, both],
        ["photograph", "classification", "detection", "semantic", "instance", "panoptic"],
        height, columns=3,
    )
    middle = masks.image.shape[1] / 2, masks.image.shape[0] / 2
    fig.axes[1].text(*middle, what, ha="center", va="center", fontsize=20, weight="bold")
    names = [segment.name for segment in things] if len(things) < 10 else None
    figures.draw_boxes(fig.axes[2], masks.boxes, names, own)
    return fig


# %% jupyter={"source_hidden": true}
# Figure: five answers to one photograph
fig = five_answers(coffee, "coffee")
figures.label_legend(fig, coffee.classes, coffee.palette)
figures.show(
    fig,
    alt="The photograph; the word coffee; boxes round saucer, cup and spoon; every pixel in "
    "the colour of its class; only saucer, cup and spoon coloured, the rest white; all "
    "coloured again.",
    dpi=80, width=900,
)

# %% [markdown]
# How a panoptic number such as 3002 is made, section 6 will show.
#
# A box is given by its top, left, bottom and right edge, in pixels. It says *where*, but coarsely: it holds its object and whatever lies beside it. A mask says it pixel by pixel.
#
# **Predict, then run.** How much of the spoon's box is spoon: a quarter, a half, or three quarters?

# %%
for segment in objects:
    top, left, bottom, right = segment.box
    box_area = (bottom - top) * (right - left)
    own = segment.area / box_area
    print(f"{segment.name:6}  box {box_area:6} pixels, of which {own:.0%} its own")

# %% [markdown]
# ## 3 · Things and stuff
#
# Why is the table white in the instance answer? Because nobody counts tabletops here. The words for this are
#
# * **things**: countable objects. Cars, people, signs, cups.
# * **stuff**: regions without a number. Sky, grass, road, water, a wall.
#
# Instance segmentation looks only at things and leaves the rest out as background. Semantic segmentation labels both but does not count. Panoptic segmentation (Greek *pan*, all,
# and *optos*, seen) labels both and counts the things.
#
# **Predict, then run.** Wall, table, flag, person, helmet, model of a space shuttle: which of the six are stuff?

# %%
astronaut = photograph_masks("astronaut")
for name, thing in zip(astronaut.classes, astronaut.things, strict=True):
    print(f"{name:8} {'thing' if thing else 'stuff'}")

# %% jupyter={"source_hidden": true}
# Figure: things and stuff of the astronaut
colours = figures.colourise(astronaut.semantic, astronaut.palette)
is_thing = (astronaut.instances > 0)[:, :, None]
fig = figures.images_row(
    [astronaut.image, np.where(is_thing, colours, 255), np.where(is_thing, 255, colours)],
    ["photograph", "things", "stuff"],
    height=2.9,
)
figures.label_legend(fig, astronaut.classes, astronaut.palette)
figures.show(
    fig,
    alt="An astronaut beside a flag, a helmet and a model of a space shuttle; only these four"
    " coloured, as things; only wall and table coloured, as stuff.",
    dpi=80, width=900,
)

# %% [markdown]
# Whoever makes the data decides what counts as a thing. Here the table is stuff, a black surface at the edge; in the well-known COCO data set a dining table is a thing.

# %% [markdown]
# ## 4 · A label map, number by number
#
# The answer of semantic segmentation is a **label map**: an array as large as the picture that holds a class number for each pixel. The notes behind this course introduce it with
# six classes and twelve rows of numbers. Here they are, as printed there. Look at the right end.

# %%
rows = ragged_rows()
print("classes:", dict(enumerate(CLASSES)))
for row in rows:
    print(*row, f" ({len(row)})")

# %% [markdown]
# An array must be a rectangle, but these rows are **ragged**: not equally long. So that we can compute with them we make them a rectangle. Each row is continued to the right with its own last label, as far
# as the longest row reaches.
#
# **Predict, then run.** How many numbers do we add in all?

# %%
def make_rectangular(rows):
    width = max(len(row) for row in rows)
    return np.array([row + [row[-1]] * (width - len(row)) for row in rows])


grid = make_rectangular(rows)
added = grid.size - sum(len(row) for row in rows)
print(grid.shape, "=", grid.size, "numbers, of which", added, "are ours")
compare.arrays(grid, label_grid())

# %% jupyter={"source_hidden": true}
# Figure: the label map with its numbers
fig, ax = plt.subplots(figsize=(11.4, 4))
ax.set_position((0.01, 0.02, 0.98, 0.96))
figures.draw_array(ax, grid, palette=PALETTE, numbers=True, fontsize=10)
figures.label_legend(fig, CLASSES, PALETTE)
figures.show(
    fig,
    alt="Twelve rows and 36 columns of numbers, coloured by class: plants above, a person in "
    "the middle below with a purse of two pixels, sidewalk to the left and right, two of "
    "building.",
)

# %% [markdown]
# Now questions about the picture become questions about numbers.
#
# **Predict, then run.** Which class has most pixels? Which has none?

# %%
for name, count in zip(CLASSES, np.bincount(grid.ravel(), minlength=6), strict=True):
    print(f"{name:10} {count:3} pixels  {count / grid.size:6.1%}")

# %% [markdown]
# Class 0, background, stands for "none of the others". It is a class like any other, and in this small map it does not occur.

# %% [markdown]
# ## 5 · Every class its own colour
#
# The numbers have no colour. We choose one for each class: a **palette** is an array with one row for each class, and in it red, green and blue. Colouring means looking up a row
# for every pixel:
#
# $$\text{colour}_{ij} = \text{palette}_{\,\ell_{ij}}$$
#
# with $\ell_{ij}$ the label in row $i$ and column $j$. First with loops, then at once: NumPy lets a whole array be the index.

# %%
def colourise_loops(labels, palette):
    height, width = labels.shape
    colours = np.empty((height, width, 3), np.uint8)
    for i in range(height):
        for j in range(width):
            colours[i, j] = palette[labels[i, j]]
    return colours


def colourise_numpy(labels, palette):
    return palette[labels]


compare.arrays(colourise_numpy(grid, PALETTE), colourise_loops(grid, PALETTE))

# %% [markdown]
# The notes give an example: all pixels of the class *soda can* shall be blue. Here is a drawn table. Our palette has vermillion for cans and blue for mugs, so we swap two rows.
#
# **Predict, then run.** One can is blue, the other yellow. Which colours do they get in the label map?

# %%
table = tabletop(seed=1, size=(256, 384))
CAN, MUG = table.classes.index("soda can"), table.classes.index("mug")
palette = table.palette.copy()
palette[[CAN, MUG]] = palette[[MUG, CAN]]

in_colour = colourise_numpy(table.labels, palette)
compare.arrays(in_colour, figures.colourise(table.labels, palette))

# %% jupyter={"source_hidden": true}
# Figure: the soda cans in blue
only_cans = np.where((table.labels == CAN)[:, :, None], in_colour, 235)
fig = figures.images_row(
    [table.image, in_colour, only_cans], ["picture", "label map in colour", "soda cans only"]
)
figures.label_legend(fig, table.classes, palette)
figures.show(
    fig,
    alt="A drawn table with a blue and a yellow soda can, mugs, books, apples and plants; the"
    " label map in colour, both cans the same blue; the two cans alone.",
    dpi=80,
)

# %% [markdown]
# Both get the same blue: the colour of a label map shows the class, not the paint. Look at the two mugs, too. They have grown together, for they have one label and touch.

# %% [markdown]
# ## 6 · From one answer to another
#
# In the coffee picture there was one thing of each kind, and the semantic and the instance answer looked alike. Not so with 24 coins of one class.
#
# **Predict, then run.** How many different numbers are in the semantic answer? How many in the instance answer?

# %%
coins = photograph_masks("coins")
for name in ("semantic", "instances"):
    print(f"{name}: {len(np.unique(getattr(coins, name)))} different numbers")

# %% jupyter={"source_hidden": true}
# Figure: five answers to the coins
fig = five_answers(coins, "coins", height=2.05)
figures.show(
    fig,
    alt="A photograph of 24 coins; the word coins; 24 boxes; all coins in one blue on grey; "
    "each coin in its own colour on white; each coin in its own colour on grey.",
    dpi=80, width=840,
)

# %% [markdown]
# **One number for both.** A panoptic label must hold a class *and* an instance. A common way, which the Cityscapes data set uses for its things, is
#
# $$\text{panoptic} = 1000 \cdot \text{class} + \text{instance}$$
#
# with instance 0 for stuff. Division by 1000 gives both back.
#
# **Predict, then run.** Which class and which instance is 1024? And 0?

# %%
def panoptic_numpy(classes, instances):
    return 1000 * classes + instances


def split_panoptic_numpy(panoptic):
    return panoptic // 1000, panoptic % 1000


print("1024 →", split_panoptic_numpy(1024), "   0 →", split_panoptic_numpy(0))
compare.arrays(panoptic_numpy(coins.semantic, coins.instances), coins.panoptic)

# %%
classes_again, instances_again = split_panoptic_numpy(coins.panoptic)
assert (instances_again == coins.instances).all()
compare.arrays(classes_again, coins.semantic)

# %% [markdown]
# **Boxes from masks.** The box of a mask reaches from its first to its last row, and from its first to its last column. The end is exclusive, as in `x[top:bottom, left:right]`.
#
# With loops we look at every pixel. With whole arrays we ask each row and each column: is there *any* pixel of the mask in you?

# %%
def box_loops(mask):
    top, left, bottom, right = *mask.shape, 0, 0
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if mask[i, j]:
                top, bottom = min(top, i), max(bottom, i + 1)
                left, right = min(left, j), max(right, j + 1)
    return top, left, bottom, right


def box_numpy(mask):
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

# %%
spoon = coffee.instances == 3
print("spoon:", box_loops(spoon), box_numpy(spoon))
boxes = [box_numpy(coins.instances == number) for number in range(1, 25)]
compare.arrays(np.array(boxes), np.array(coins.boxes), name="24 boxes of coins")

# %% [markdown]
# So classes, instances and boxes all follow from the panoptic answer. Does it work in the other direction? A first idea: *every connected region of a class is one instance*. `label` from scikit-image
# numbers such regions.
#
# **Predict, then run.** For which of coins, spoons and mugs does the idea fail?

# %%
from skimage.measure import label

cases = {
    "coins": (coins.semantic == 1, coins.instances),
    "spoon": (coffee.semantic == coffee.classes.index("spoon"), coffee.instances),
    "mugs": (table.labels == MUG, table.instances),
}
for name, (mask, instances) in cases.items():
    regions = label(mask, connectivity=2).max()
    print(f"{name}: {regions} regions, {len(np.unique(instances[mask]))} instances")

# %% jupyter={"source_hidden": true}
# Figure: one spoon in two regions, two mugs in one region
spoon_place, mug_place = (slice(30, 350), slice(130, 500)), (slice(100, 256), slice(150, 384))
mugs = np.where(table.labels == MUG, table.instances, 0)
first, second = np.unique(mugs)[1:]
colours = figures.class_palette(3, background=True)
fig = figures.images_row(
    [
        coffee.image[spoon_place],
        figures.colourise(spoon[spoon_place], colours),
        table.image[mug_place],
        figures.colourise(((mugs == first) + 2 * (mugs == second))[mug_place], colours),
    ],
    ["photograph", "one spoon,\ntwo regions", "drawn table", "two mugs, one region"],
    height=2.4,
)
figures.show(
    fig,
    alt="A spoon that goes behind a cup, its mask in two pieces of one colour; two mugs, one "
    "before the other, their masks touching in two colours.",
    dpi=80,
)

# %% [markdown]
# The cup hides the middle of the spoon: two regions, one spoon. One mug hides part of another: one region, two mugs. The semantic answer has lost *which* object, and counting regions
# does not bring it back.

# %% [markdown]
# ## 7 · One classifier for each pixel
#
# A **classifier** is a function: in goes a picture, out comes a **score** for each class; the class with the highest score is its answer. A network for semantic segmentation is the
# same, many times over: one classifier for each pixel, all running side by side.
#
# What should such a classifier say if it is quite sure? 1 for the right class, 0 for all others. That is a **one-hot vector**. With $K$ classes it has $K$ numbers, and an image of
# $H$ rows and $W$ columns needs $H \cdot W$ of them.
#
# $$y_{kij} = \begin{cases} 1 & \text{if } \ell_{ij} = k \\ 0 & \text{otherwise} \end{cases}$$
#
# Take a picture of two rows and four columns, with the classes 0 sky, 1 sea, 2 boat.
#
# **Predict, then run.** How many one-hot vectors? How many numbers in all? How many of them are 1?

# %%
tiny = np.array([[0, 0, 2, 0],
                 [1, 2, 2, 1]])
names = ("sky", "sea", "boat")


def one_hot_loops(labels, num_classes):
    height, width = labels.shape
    y = np.zeros((num_classes, height, width), np.int64)
    for i in range(height):
        for j in range(width):
            y[labels[i, j], i, j] = 1
    return y


vectors = one_hot_loops(tiny, num_classes=3)
print(f"{tiny.size} vectors, {vectors.size} numbers, {vectors.sum()} of them 1")

# %% jupyter={"source_hidden": true}
# Figure: eight classifiers side by side
shades = [figures.palette.hexadecimal(colour) for colour in figures.OKABE_ITO[[2, 5, 1]]]
fig, ax = plt.subplots(figsize=(9.4, 4.4))
ax.set(xlim=(0, 9.4), ylim=(4.2, 0))
ax.axis("off")
arrow = {"arrowstyle": "->", "color": "#888888"}
box = {"boxstyle": "round", "fc": "#eeeeee", "ec": "#888888"}
for place, ((i, j), k) in enumerate(np.ndenumerate(tiny)):
    y = 0.55 + 0.48 * place
    ax.add_patch(plt.Rectangle((0.3 + 0.5 * j, 1.7 + 0.5 * i), 0.48, 0.48, fc=shades[k]))
    ax.annotate("", (4.2, y), (2.5, 2.2), arrowprops=arrow)
    ax.text(5, y, f"classifier {place + 1}", ha="center", va="center", bbox=box, fontsize=11)
    ax.annotate("", (6.6, y), (5.8, y), arrowprops=arrow)
    ax.text(6.75, y, str(tuple(vectors[:, i, j].tolist())), va="center", fontsize=13)
    ax.text(7.95, y, f"{names[k]}, row {i}, column {j}", va="center", fontsize=11)
ax.text(1.3, 1.5, "every classifier\nsees the picture", ha="center", fontsize=12)
ax.text(7.3, 0.2, "one-hot vector", ha="center", fontsize=12)
figures.show(
    fig,
    alt="A picture of two rows and four columns; arrows from it to eight classifiers; each "
    "gives one one-hot vector of three numbers, for one pixel.",
)

# %% [markdown]
# The array of all vectors has the shape $K \times H \times W$: **channels first**, as PyTorch has it. (A photograph on the screen is $H \times W \times 3$, channels last.) Seen from
# the other side, it is $K$ pictures, one for each class, each a mask of that class. One such picture is called a *plane*.

# %% jupyter={"source_hidden": true}
# Figure: three masks
fig = figures.arrays_row(
    [tiny, *vectors],
    titles=["labels", "y[0], sky", "y[1], sea", "y[2], boat"],
    operators=["→", "", ""],
    cmap="Greys",
    share_scale=True,
)
figures.show(
    fig,
    alt="The label map of two rows and four columns, and three masks of zeros and ones: three"
    " ones for sky, two for sea, three for boat.",
)

# %% [markdown]
# With whole arrays: compare the label map with each class number. `[:, None, None]` turns the $K$ numbers into a $K \times 1 \times 1$ array, and NumPy compares each of them with
# every pixel. Back again: `argmax` over the classes gives the number of the largest score.

# %%
def one_hot_numpy(labels, num_classes):
    return (labels == np.arange(num_classes)[:, None, None]).astype(np.int64)


def decode_numpy(scores):
    return scores.argmax(axis=0)


print("there and back:", (decode_numpy(one_hot_numpy(tiny, 3)) == tiny).all())
compare.arrays(one_hot_numpy(tiny, 3), one_hot_loops(tiny, 3))

# %% [markdown]
# Are we right? Ask PyTorch. Its `one_hot` puts the classes last, $H \times W \times K$; `permute(2, 0, 1)` moves that axis to the front. From here on, most functions of
# the course are checked like this.

# %%
import torch
import torch.nn.functional as F


def torch_one_hot(labels, num_classes):
    return F.one_hot(labels, num_classes).permute(2, 0, 1)


compare.with_torch(one_hot_numpy, grid, num_classes=6, reference=torch_one_hot)

# %%
scores = np.random.default_rng(0).standard_normal((6, 12, 36))
compare.with_torch(decode_numpy, scores, reference=lambda scores: torch.argmax(scores, 0))

# %% [markdown]
# And when it is wrong? A common slip: to bring the classes to the front with `reshape`. The shape is right then.
#
# **Predict, then run.** Are the numbers right, too?

# %%
def one_hot_reshaped(labels, num_classes):
    last = np.eye(num_classes, dtype=np.int64)[labels]  # H×W×K, and that is right
    return last.reshape(num_classes, *labels.shape)  # but these are not its axes


compare.with_torch(one_hot_reshaped, grid, num_classes=6, reference=torch_one_hot)

# %% [markdown]
# `reshape` keeps the numbers in their order and only breaks the lines anew; `transpose` exchanges the axes. Read the box: it often says what to look at.
#
# How many classifiers does a real picture need? The notes behind this course say: as many as pixels, each with as many outputs as there are *stuff* categories. Count *all*
# categories, things too.
#
# **Predict, then run.** The coffee picture has six classes. How many classifiers, how many outputs?

# %%
H, W, K = *coffee.semantic.shape, len(coffee.classes)
print(f"{H} · {W} = {H * W:,} classifiers")
print(f"{H} · {W} · {K} = {H * W * K:,} outputs")

# %% [markdown]
# Nobody builds 240,000 separate networks. Neighbouring pixels see nearly the same picture, so their classifiers can share work; that is the idea behind convolution, and lecture 01
# begins with it.

# %% [markdown]
# ## 8 · A first segmenter
#
# Let us build one now, the simplest of all. Each pixel sees only its own colour. Its score for a class is high if that colour is near to the mean colour of the class. With
# $x_{cij}$ the colour ($c$ = red, green, blue) and $\mu_{kc}$ the mean colours,
#
# $$\text{score}_{kij} = -\sum_c (x_{cij} - \mu_{kc})^2$$
#
# We take the mean colours from the ground truth of this very picture. That is cheating: it knows part of the answer beforehand.
#
# **Predict, then run.** Blind guessing among six classes would get one pixel in six. How many will this get: 50, 80 or 95 %?

# %%
def mean_colours(image, labels, num_classes):
    return np.stack([image[labels == k].mean(axis=0) for k in range(num_classes)])


def colour_scores(image, means):
    return np.stack([-((image - mean) ** 2).sum(axis=2) for mean in means])


image = coffee.image / 255
scores = colour_scores(image, mean_colours(image, coffee.semantic, K))
guess = decode_numpy(scores)
print("scores:", scores.shape, "  label map:", guess.shape)
print(f"pixels right: {(guess == coffee.semantic).mean():.0%}")

# %% jupyter={"source_hidden": true}
# Figure: what the colours alone say
fig = figures.images_row(
    [
        figures.colourise(guess[::3, ::3], coffee.palette),
        figures.colourise(coffee.semantic, coffee.palette),
        figures.error_map(guess, coffee.semantic)[::3, ::3],
    ],
    ["by colour alone", "ground truth", "wrong pixels"],
)
figures.label_legend(fig, coffee.classes, coffee.palette)
figures.show(
    fig,
    alt="A speckled label map in which table and saucer are full of spots of other classes; "
    "the ground truth with smooth regions; the wrong pixels, many of them on the table.",
)

# %% [markdown]
# About half. A brown pixel may be wood, coffee or the reflection in the spoon: **a single pixel does not know what it is**. It must see what lies around it. How far around, and how
# to do that at a bearable cost, are the questions of the coming lectures.

# %% [markdown]
# ## 9 · What it is good for
#
# **Medicine.** Which cells are there, and how large? We draw a slice of tissue in the manner of an electron microscope: bright cells, dark membranes between. `bincount` counts the pixels of
# every instance.

# %%
tissue = cells(seed=1, size=(192, 288))
sizes = np.bincount(tissue.instances.ravel())[1:]  # without 0, the membrane
print(f"{len(sizes)} cells, median size {np.median(sizes):.0f} pixels, largest {sizes.max()}")
print(f"membrane: {(tissue.labels == 0).mean():.0%} of the picture")

# %% jupyter={"source_hidden": true}
# Figure: tissue
numbers = figures.class_palette(tissue.instances.max() + 1, background=True)
fig = figures.images_row(
    [
        tissue.image,
        figures.colourise(tissue.labels, tissue.palette),
        figures.colourise(tissue.instances, numbers),
    ],
    ["tissue, drawn", "semantic: membrane or cell", "instance: which cell"],
    height=2.3,
)
figures.label_legend(fig, tissue.classes, tissue.palette)
figures.show(
    fig,
    alt="Grey cells with dark membranes between them; membranes and cells in two colours; "
    "each cell in a colour of its own.",
    dpi=80, width=900,
)

# %% [markdown]
# **Driving.** Where is the road, who is on it, and which car is nearest?
#
# **Predict, then run.** We have only masks. On level ground, what about a car's mask tells how near it is?

# %%
road = street(seed=1, size=(192, 288))
CAR = road.classes.index("car")
cars = [int(number) for number in np.unique(road.instances[road.labels == CAR])]
bottoms = [box_numpy(road.instances == number)[2] for number in cars]
nearest = cars[int(np.argmax(bottoms))]

for number, bottom in zip(cars, bottoms, strict=True):
    note = "← nearest" if number == nearest else ""
    print(f"car {number:2}: {(road.instances == number).sum():5} pixels, to row {bottom}", note)

# %% jupyter={"source_hidden": true}
# Figure: a street
fig = figures.images_row(
    [road.image, figures.colourise(road.labels, road.palette)],
    ["street, drawn", "semantic"],
    height=2.9,
)
boxes = [box_numpy(road.instances == number) for number in cars]
frames = np.array([figures.OKABE_ITO[6 if number == nearest else 5] for number in cars])
figures.draw_boxes(fig.axes[0], boxes, colours=frames)
figures.label_legend(fig, road.classes, road.palette)
figures.show(
    fig,
    alt="A drawn street with three cars in boxes, the nearest in vermillion; its label map "
    "with sky, buildings, road, pavement, trees, cars, people, poles and signs.",
    dpi=90,
)

# %% [markdown]
# The lower edge of its box: the nearer, the lower in the picture.
#
# **Photography.** Keep the person sharp and blur the rest. A mask decides for each pixel from which of two pictures it comes.

# %%
from skimage.filters import gaussian

in_front = [astronaut.classes.index(name) for name in ("person", "helmet")]
mask = np.isin(astronaut.semantic, in_front)
photo = astronaut.image / 255
blurred = gaussian(photo, sigma=9, channel_axis=2)
portrait = np.where(mask[:, :, None], photo, blurred)

# %% jupyter={"source_hidden": true}
# Figure: a portrait
fig = figures.images_row([mask, portrait], ["mask", "portrait"], height=3.2)
figures.show(
    fig,
    alt="A white mask of a person with a helmet; the portrait, in which she is sharp and "
    "flag, wall and model are blurred.",
    dpi=80, width=700,
)

# %% [markdown]
# ## 10 · How good is an answer?
#
# Here is a meadow with three apples, and somebody's answer. The meadow is stuff (0), the apples are things (1, 2, 3).
#
# **Predict, then run.** Which apples would you call found?

# %%
truth = np.zeros((6, 10), np.int64)
guess = truth.copy()
truth[1:3, 1:3] = guess[1:3, 1:3] = guess[3, 1] = 1
truth[1, 5:8] = guess[1, 4:9] = 2
truth[4, 4:7] = guess[4, 5:8] = 3

# %% jupyter={"source_hidden": true}
# Figure: three apples
apples = figures.class_palette(4, background=True)
fig = figures.arrays_row([truth, guess], titles=["truth", "answer"], palette=apples, cell=0.44)
figures.show(
    fig,
    alt="Two arrays of six rows and ten columns. Truth: apples of four, three and three "
    "pixels. Answer: the first has a fifth pixel, the second five pixels, the third lies "
    "one to the right.",
)

# %% [markdown]
# For two masks, a predicted $p$ and a true $g$, **intersection over union** says how well they agree: pixels in both, divided by pixels in at least one. It is 1 if they are equal and
# 0 if they do not meet.
#
# $$\mathrm{IoU}(p, g) = \frac{|p \cap g|}{|p \cup g|}$$
#
# **Predict, then run.** Count pixels: what is the IoU of the first pair, the second, the third?

# %%
def iou(p, g):
    return (p & g).sum() / (p | g).sum()


print("IoU:", [float(iou(guess == n, truth == n)) for n in (1, 2, 3)])

# %% [markdown]
# All pixels of one instance, or of one stuff class, are a **segment**. A predicted and a true segment **match** if they are of the same class and their IoU is *greater than* ½. Then
#
# * a matched pair is a **true positive** (TP),
# * a predicted segment without a partner is a **false positive** (FP): seen, but not there,
# * a true segment without a partner is a **false negative** (FN): there, but not seen.
#
# **Predict, then run.** Does the third pair match?

# %%
print("match:", [bool(iou(guess == n, truth == n) > 1 / 2) for n in (1, 2, 3)])

# %% [markdown]
# No: ½ is not greater than ½. Why this limit? Predicted segments do not overlap. A match covers more than half of the true segment, and two of them cannot both do that. So nobody can have two partners.

# %% [markdown]
# **Panoptic quality** puts two questions into one number: how well is outlined what was found (SQ, segmentation quality), and how much was found (RQ, recognition quality)? With
# $|\text{TP}|$ for the number of true positives, and so on,
#
# $$\mathrm{PQ} = \underbrace{\frac{\sum_{\text{TP}} \mathrm{IoU}}{|\text{TP}|}}_{\mathrm{SQ}} \cdot \underbrace{\frac{|\text{TP}|}{|\text{TP}| + \tfrac12 |\text{FP}| + \tfrac12 |\text{FN}|}}_{\mathrm{RQ}}$$
#
# **By hand, then run.** How many TP, FP, FN has the class apple? What are SQ, RQ and PQ?

# %%
tp, fp, fn = 2, 1, 1  # the third pair does not match: one FP and one FN
sq = (4 / 5 + 3 / 5) / tp
rq = tp / (tp + fp / 2 + fn / 2)
print(f"SQ {sq:.4f} · RQ {rq:.4f} = PQ {sq * rq:.4f}")

# %% [markdown]
# Now as a program, straight from the definition. `prediction` and `target` are pairs of arrays, classes and instances, and `k` is the class.

# %%
def segments(classes, instances, k):
    """The masks of all segments of class k."""
    numbers = np.unique(instances[classes == k])
    return [(classes == k) & (instances == n) for n in numbers]


def panoptic_quality_loops(prediction, target, k):
    guesses, truths = segments(*prediction, k), segments(*target, k)
    matches = [iou(p, g) for p in guesses for g in truths if iou(p, g) > 1 / 2]
    tp, fp, fn = len(matches), len(guesses) - len(matches), len(truths) - len(matches)
    sq = sum(matches) / max(tp, 1)
    rq = tp / (tp + fp / 2 + fn / 2)
    return sq * rq, sq, rq


prediction, target = ((guess > 0) * 1, guess), ((truth > 0) * 1, truth)
for k, name in enumerate(("meadow", "apple")):
    print(f"{name:6} PQ, SQ, RQ:", np.round(panoptic_quality_loops(prediction, target, k), 4))

# %% [markdown]
# The library's `panoptic_quality` gives all classes at once. PyTorch has no such function, so this time the library is what we compare with. Its `mean` is the average over the classes.

# %%
result = panoptic_quality(prediction, target, num_classes=2)
print("mean PQ, SQ, RQ:", np.round(result.mean, 4))
ours = [panoptic_quality_loops(prediction, target, k) for k in (0, 1)]
compare.arrays(np.array(ours).T, np.array([result.pq, result.sq, result.rq]))

# %% [markdown]
# *At home.* Two options of the library. **`stuff`** names the classes whose instance numbers are ignored, so that nobody is punished for numbering the sky.
#
# **Predict, then run.** Somebody gives the left half of the meadow the number 8 and the right half 9. What is the PQ of the meadow, without the option and with it?

# %%
halves = np.where(guess > 0, guess, np.where(np.arange(10) < 5, 8, 9))
for stuff in ([], [0]):
    pq = panoptic_quality((prediction[0], halves), target, num_classes=2, stuff=stuff).pq
    print(f"stuff={stuff!s:3}  PQ of the meadow {pq[0]:.4f}")

# %% [markdown]
# Neither half covers more than half of the meadow: nothing matches.
#
# *At home.* **`ignore_index`** is the label of **void**: pixels that the annotators left out because they could not tell, often 255. A predicted segment that lies mostly on void is not
# counted as false.
#
# **Predict, then run.** We declare the third true apple void. What becomes of its FN, its FP, and of PQ?

# %%
with_void = np.where(truth == 3, 255, target[0]), truth
pq = panoptic_quality(prediction, with_void, num_classes=2, ignore_index=255).pq
print(f"PQ of apple: {pq[1]:.4f}")

# %% [markdown]
# Two of the three pixels of the third answer lie on void, so it is neither false nor missed, and what is left are two matches: (0.8 + 0.6) / 2.
#
# *At home, but run the cells now: section 11 uses them.* **Whole arrays.** The loops visit every pair of segments, and for each pair the whole picture. One pass is enough if we keep a table: its row $m$, column $n$ counts the pixels
# with true number $m$ and predicted number $n$. `np.add.at` adds 1 for every pixel at its place.
#
# **Predict, then run.** What do the rows of the table add up to?

# %%
def overlaps_numpy(truth, guess):
    table = np.zeros((truth.max() + 1, guess.max() + 1), np.int64)
    np.add.at(table, (truth.ravel(), guess.ravel()), 1)
    return table


both = overlaps_numpy(truth, guess)
either = both.sum(1, keepdims=True) + both.sum(0) - both

# %% jupyter={"source_hidden": true}
# Figure: tables of overlaps
fig = figures.arrays_row(
    [both, either, both / either],
    titles=["pixels in both", "pixels in at least one", "IoU"],
    operators=["÷", "="],
    captions=["rows: truth 0 to 3\ncolumns: answer 0 to 3", None, None],
    highlights=[None, None, [(0, 0), (1, 1), (2, 2)]],
    cmap="Greys",
    share_scale=True,
)
figures.show(
    fig,
    alt="Three 4 by 4 tables: pixels in both, pixels in at least one, and their quotient, the"
    " IoU. Framed are the three pairs above one half: 0.9, 0.8 and 0.6.",
)

# %% [markdown]
# Rows add up to the sizes of the true segments, columns to those of the predicted. From the table everything follows, for one class of things that are numbered 1, 2, …:

# %%
def panoptic_quality_numpy(guess, truth):
    both = overlaps_numpy(truth, guess)
    either = both.sum(1, keepdims=True) + both.sum(0) - both
    ious = (both / either)[1:, 1:]  # without 0, which is no thing
    match = ious > 1 / 2
    tp, fp, fn = match.sum(), (~match.any(0)).sum(), (~match.any(1)).sum()
    return ious[match].sum() / (tp + fp / 2 + fn / 2), match


compare.arrays(panoptic_quality_numpy(guess, truth)[0], result.pq[1])

# %% [markdown]
# ## 11 · Coins, found by brightness
#
# One more segmenter of a single line: *what is brighter than a threshold is coin*; each connected region is one coin. Once on the photograph as it is, and once after blurring it a
# little, so that every pixel sees its neighbours.
#
# **Predict, then run.** With blurring, does the share of right pixels change a little or a lot? And PQ?

# %%
grey = coins.image[:, :, 0] / 255


def find_coins(threshold, sigma):
    bright = gaussian(grey, sigma) > threshold / 255
    return label(bright, connectivity=1)


for sigma in (0, 2):
    found = find_coins(120, sigma)
    pq, match = panoptic_quality_numpy(found, coins.instances)
    right = ((found > 0) == (coins.semantic == 1)).mean()
    print(f"blur {sigma}: pixels right {right:.0%}, PQ {pq:.2f},", end=" ")
    print(f"{match.sum()} coins found, {found.max() - match.sum()} false ones")

# %% jupyter={"source_hidden": true}
# Figure: coins with and without blurring
KINDS = ("background", "found", "false", "missed")
KIND_COLOURS = np.array([(200, 200, 200), *figures.OKABE_ITO[[5, 6, 4]]])


def judged(found, match):
    """Each pixel in the colour of its kind: blue, vermillion, yellow on grey."""
    kind = np.concatenate([[0], np.where(match.any(0), 1, 2)])[found]
    missed = np.concatenate([[False], ~match.any(1)])[coins.instances]
    return figures.colourise(np.where(missed & (kind == 0), 3, kind), KIND_COLOURS)


pictures = [coins.image]
for sigma in (0, 2):
    found = find_coins(120, sigma)
    pictures.append(judged(found, panoptic_quality_numpy(found, coins.instances)[1]))
fig = figures.images_row(pictures, ["photograph", "threshold", "blurred, then threshold"])
figures.label_legend(fig, KINDS[:3], KIND_COLOURS[:3])  # none is missed
figures.show(
    fig,
    alt="24 coins; found by threshold, in blue, with many vermillion specks inside some of "
    "them and a vermillion strip along the top; after blurring, the coins and the strip, "
    "hardly any specks.",
    dpi=80,
)

# %% [markdown]
# The same share of pixels, and all coins found both times; but without blurring every speck counts as a coin. The share of pixels knows nothing about objects, PQ does. Which measure
# is the right one depends on the question: how *much*, or how *many*? Lecture 07 is about such measures.
#
# The library agrees:

# %%
answer = ((found > 0) * 1, found)
library = panoptic_quality(answer, (coins.semantic, coins.instances), num_classes=2, stuff=[0])
compare.arrays(panoptic_quality_numpy(found, coins.instances)[0], library.pq[1])

# %% [markdown]
# ## 12 · Try it yourself (at home)
#
# Move the threshold and the blur. A yellow coin was missed. Which PQ can you reach?

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(threshold=100, blur=1.0):
    found = find_coins(threshold, blur)
    pq, match = panoptic_quality_numpy(found, coins.instances)
    tp = match.sum()
    title = f"PQ {pq:.2f}: {tp} found, {found.max() - tp} false, {24 - tp} missed"
    fig = figures.images_row([judged(found, match)], [title], height=3.6)
    figures.label_legend(fig, KINDS, KIND_COLOURS)
    figures.show(fig, alt=f"Regions brighter than {threshold} after blurring by {blur}. {title}")


ipywidgets.interact(explore, threshold=(60, 200, 5), blur=(0, 6, 0.5));

# %% [markdown]
# A still picture, for readers without a running kernel: threshold 140, blur 2.

# %% jupyter={"source_hidden": true}
# Figure: threshold 140, blur 2
explore(threshold=140, blur=2)

# %% [markdown]
# ## Common mistakes
#
# * **Treating class numbers as amounts.** The mean of person (1) and plants (3) is not purse (2). Label maps are never averaged or blurred.
# * **Reading a label map by its colours.** The numbers are the answer; the palette is only for the eye.
# * **`reshape` where `transpose` is meant.** The shape is right, the numbers are not.
# * **Rows and columns exchanged.** `labels[i, j]` is row $i$, column $j$: first down, then right.
# * **Confusing class and instance.** Two touching mugs of one class are one region and still two instances.
# * **Taking IoU = ½ for a match.** It must be greater.
# * **Trusting the share of right pixels.** In section 11 it did not see more than 160 false coins.
#
# ## Summary
#
# * Classification says *what*, detection *where* by boxes, semantic segmentation *what at each pixel*, instance segmentation *which object*, panoptic segmentation both.
# * Things can be counted, stuff cannot.
# * A label map holds a class number for each pixel; a palette makes it visible.
# * A network for semantic segmentation is one classifier for each pixel: $H \cdot W$ vectors of length $K$. `argmax` turns scores into labels.
# * A pixel alone does not know what it is; it must see its neighbours.
# * PQ = SQ · RQ: how well outlined, times how well found.
#
# ## Exercises
#
# 1. Things or stuff: river, bicycle, snow, sheep, forest? And a crowd of people?
# 2. A street photograph of 1024×2048 pixels and 19 classes: how many classifiers, how many outputs? How many megabytes, at 4 bytes a number?
# 3. All scores of a pixel are equal. Which class does `decode_numpy` give?
# 4. Extend `one_hot_numpy` to a batch: labels $N \times H \times W$ in, $N \times K \times H \times W$ out. Check it with PyTorch.
# 5. Two true apples of 10 pixels each touch. The answer is one apple of 20 pixels, exactly on both. What are TP, FP, FN and PQ? And the share of right pixels?
# 6. Show that a predicted segment cannot match two true ones.
# 7. In the portrait there is a dark glow round the hair. Where does it come from? Remove it.
#
# <details><summary>Answers</summary>
#
# 1. Stuff, thing, stuff, thing, stuff. A crowd is people, things, that can no longer be told apart; data sets have rules of their own for it.
# 2. 2,097,152 classifiers, 39,845,888 outputs, 159 megabytes.
# 3. Class 0: of equal scores `argmax` takes the first.
# 4. `(labels[:, None] == np.arange(num_classes)[:, None, None]).astype(np.int64)`. Compare with `F.one_hot(labels, num_classes).permute(0, 3, 1, 2)`.
# 5. Its IoU with either is 10/20 = ½, so nothing matches: TP 0, FP 1, FN 2, PQ 0. All pixels are right.
# 6. If $|p \cap g| / |p \cup g| > ½$, then $|p \cap g| > ½ |p \cup g| \ge ½ |p|$. True segments do not overlap, so two of them cannot both have more than half of the pixels of $p$.
# 7. Blurring mixes hair into the wall before the mask is applied. Blur only the background, and divide by how much background there was:
#    `outside = 1.0 - mask[:, :, None]`, then
#    `gaussian(photo * outside, 9, channel_axis=2) / np.maximum(gaussian(outside, 9, channel_axis=2), 1e-6)`.
#
# </details>
#
# ## Sources
#
# * A. Kirillov, K. He, R. Girshick, C. Rother, P. Dollár, *Panoptic segmentation*, CVPR 2019 (things and stuff together, PQ = SQ · RQ, void).
# * E. H. Adelson, *On seeing stuff: the perception of materials by humans and machines*, SPIE 4299, 2001 (things and stuff).
# * T.-Y. Lin et al., *Microsoft COCO: common objects in context*, ECCV 2014 (instances; the dining table as a thing).
# * M. Cordts et al., *The Cityscapes dataset for semantic urban scene understanding*, CVPR 2016 (streets, 19 classes, void).
# * I. Arganda-Carreras et al., *Crowdsourcing the creation of image segmentation algorithms for connectomics*, Frontiers in Neuroanatomy 9, 2015 (the tissue that our drawing imitates).
# * M. Okabe, K. Ito, *Color universal design*, 2008 (the colours of our palettes).
# * S. van der Walt et al., *scikit-image: image processing in Python*, PeerJ 2:e453, 2014 (the photographs; the masks on them are ours).
# * PyTorch documentation, `torch.nn.functional.one_hot`.
