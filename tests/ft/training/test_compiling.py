"""Whether the frozen stages are folded or compiled: by what the whole training passes through them, or as asked for."""

import json

import pytest

import ft
import ft.recipe
from ft.network.freeze import epochs_alike, leading_stages, plan_freeze
from ft.recipe import Recipe
from ft.runs.folder import read_log
from ft.training import compiling
from ft.training.job import prepare_job
from ft.zoo import find_card

NAMES = ["conv1.weight", "fc.weight", "fc.bias"]


@pytest.fixture
def recipe(write_images):
    """Return a recipe for 12 training and 4 validation images of 16 px."""
    return Recipe(
        model="resnet18", weights="none", data=str(write_images()), workers=0, batch_size=4, image_size=16, cache="off"
    )


class Asked:
    """A learner that remembers whether it was asked to run ahead, and to compile what trains."""

    def __init__(self):
        self.way = "as one"

    def run_ahead(self, *, compiled, say):
        self.way = "compiled" if compiled else "folded"

    def compile_trained(self, *, say):
        say("and the rest")


def chosen(recipe, *, epoch=0, **fields):
    """Return how a recipe's frozen stages run, and what is said of it."""
    recipe, said, learner = recipe.replace(**fields), [], Asked()
    job = prepare_job(recipe)
    names = [f"{paths[0]}.weight" for paths in job.card.stages.values()] if job.card.taps else NAMES
    plan = plan_freeze(job.card, names, freeze=recipe.freeze, bn=recipe.bn)
    compiling.run_ahead(job, learner, plan, backend="torch", epoch=epoch, say=said.append, log=said.append)
    return learner.way, " ".join(said)


def test_little_work_is_left_as_it_is(recipe):
    assert chosen(recipe) == (
        "as one",
        "compile: off for stem to layer4 (320 images of 16 px, worth 2 of 224 px; it pays from 40000 on)",
    )


def test_more_is_folded_and_much_is_compiled(recipe, monkeypatch):
    monkeypatch.setitem(compiling.FOLDING_PAYS_FROM, "torch", 0.5)
    assert chosen(recipe) == (
        "folded",
        "compile: off for stem to layer4, only folded (320 images of 16 px, worth 2 of 224 px; it pays from 40000 on)",
    )
    monkeypatch.setattr(compiling, "COMPILING_PAYS_FROM", 1.6)
    assert chosen(recipe)[0] == "compiled"
    assert chosen(recipe, epochs=15)[0] == "folded"
    assert chosen(recipe, cache="auto")[0] == "as one"  # once, whatever the epochs


def test_a_moving_average_is_evaluated_too(recipe):
    assert "400 images" in chosen(recipe, ema=0.9)[1]


def test_the_choice_does_not_depend_on_where_a_run_stands(recipe):
    assert chosen(recipe, epoch=19) == chosen(recipe, epoch=0)


def test_until_they_thaw(recipe):
    fields = {"unfreeze": "6:layer4"}
    assert "80 images" in chosen(recipe, **fields, epoch=4)[1]
    assert "240 images" in chosen(recipe, **fields, epoch=5)[1]
    assert epochs_alike(recipe.replace(unfreeze="6:layer4,8:layer3"), 6) == 2


@pytest.mark.parametrize(("wish", "way"), [("on", "compiled"), ("off", "as one")])
def test_as_asked_for(recipe, wish, way):
    rest = " and the rest" if wish == "on" else ""  # what trains is compiled on request only
    assert chosen(recipe, compile=wish) == (way, f"compile: {wish}, as asked for (stem to layer4){rest}")


@pytest.mark.parametrize("fields", [{"freeze": "none"}, {"bn": "update"}, {"freeze": "layer1"}])
def test_nothing_to_compile(recipe, fields):
    assert chosen(recipe, **fields) == ("as one", "")
    way, said = chosen(recipe, **fields, compile="on")
    assert way == "as one"
    assert said.startswith("compile: nothing to fold")
    assert said.endswith("and the rest")


@pytest.mark.parametrize("wish", ["auto", "on"])
def test_a_base_that_gives_several_maps_runs_as_one(recipe, wish):
    way, said = chosen(recipe.replace(model="lraspp_mobilenet_v2", data="scenes", image_size=None, compile=wish))
    assert way == "as one"
    assert ("does not come apart" in said) == (wish == "on")


def test_leading_stages_end_at_the_first_that_trains():
    card = find_card("resnet18")
    plan = plan_freeze(card, NAMES, freeze=("stem", "layer1", "layer3"), bn="frozen")
    assert leading_stages(plan, card) == ("stem", "layer1")


def test_yaml_reads_on_and_off_as_truth_values(tmp_path):
    (tmp_path / "r.yaml").write_text("compile: on\n")
    assert Recipe(**ft.recipe.load(tmp_path / "r.yaml")).compile == "on"
    assert Recipe(compile=False).compile == "off"
    with pytest.raises(ft.RecipeError, match="loss: unknown value 'True'"):
        Recipe(loss=True)


def test_a_run_says_its_choice_once_a_plan(recipe, tmp_path, fake_wing, capsys):
    ft.finetune(recipe, out=tmp_path / "run", epochs=3, unfreeze="2:layer4", compile="on")
    said = capsys.readouterr().err
    assert said.count("compile: on, as asked for") == 2
    assert said.count("stem compiled in 0 s") == 2


def test_that_nothing_compiles_is_for_the_log(recipe, tmp_path, fake_wing, capsys):
    run = ft.finetune(recipe, out=tmp_path / "run", epochs=2, unfreeze="2:layer4")
    assert "compile: " not in capsys.readouterr().err
    rows = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    notes = [(row["step"], row["note"]) for row in rows if "note" in row]
    assert [step for step, _ in notes] == [0, rows[-1]["step"] // 2]
    assert notes[0][1].startswith("compile: off for stem to layer4 (")
    assert notes[1][1].startswith("compile: off for stem to layer3 (")
    ft.finetune(resume=run.folder, epochs=3)
    assert len(read_log(run.folder)) == 3 * rows[-1]["step"] // 2 + 3  # figures alone
