"""The option `--motif` of `bindgrid run`, which was a flag once and can still be given as one."""

from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from experiments.cli.options.choices import MotifUse

_NAME: Final = "--motif"
_AGAINST: Final = "--no-motif"

MotifOption = Annotated[
    MotifUse,
    typer.Option(
        _NAME,
        help="In transfer, downsampling and binding-modes, try transfer also with motifs as terms "
        "of the logits: name takes the motif of the TF's name, as a bare --motif does; auto lets "
        "the peaks choose, among the TF's own motifs, the profiles of JASPAR and a de novo motif. "
        "With auto, peaks-needed has three further arms: motifs chosen from all, without the TF's "
        "own, and without similar ones. many is auto and, up to 1,000 bound regions, an arm "
        "more, of which the best hits of 100 profiles are a further term; kmers has another one, "
        "with gapped k-mers beside them. Needs --pretrain masked, except for peaks-needed.",
    ),
]


ChosenMotifsOption = Annotated[
    bool | None,
    typer.Option(
        "--chosen-motifs/--named-motif",
        help="Let the peaks choose the motifs that are terms of the model: of the TF's own the one "
        "that tells its regions apart, the most enriched profile of JASPAR and a de novo motif, "
        "each only if it helps on held-out regions. By default they do where many motifs are a "
        "term too (--many-motifs); elsewhere it is the motif of the TF's name, or the one that it "
        "was added with.",
    ),
]


ManyMotifsOption = Annotated[
    bool | None,
    typer.Option(
        "--many-motifs/--no-many-motifs",
        help="Let the best hits of many profiles of JASPAR, the 100 that tell the regions apart "
        "best, and gapped k-mers be further terms of the model, weighted by held-out regions, "
        "beside motifs chosen as with --chosen-motifs, and fit the output layer alone; up to 5,000 "
        "bound regions. By default where chromosomes are held out, with more than 250 bound "
        "regions, unless an option says how individual models are trained.",
    ),
]


class MotifCommand(TyperCommand):
    """A command that reads a bare `--motif` as `--motif name`, and `--no-motif` as `none`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spell out the option, then parse."""
        spelled: list[str] = []
        for word, following in zip(args, [*args[1:], ""], strict=True):
            if word == _AGAINST:
                spelled += [_NAME, MotifUse.NONE]
                continue
            spelled.append(word)
            if word == _NAME and following not in set(MotifUse):
                spelled.append(MotifUse.NAME)
        return super().parse_args(ctx, spelled)
