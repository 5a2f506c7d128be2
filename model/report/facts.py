"""How a model was made: in short for a reader, and every option for somebody who wants to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from model.console import count, format_duration
from model.report.markup import fold, list_facts, show_label, show_value

SHOWN_CLASSES = 20


def draw_facts(metrics: Mapping[str, Any]) -> str:
    """Return images, network, recipe, machine, time and money, then every option."""
    side = metrics["image_size"]
    facts = {
        "Images": f"{metrics['images']['used']:,}; {tell_parts(metrics)}",
        "Classes": _tell_classes(metrics["images"]["by_class"]),
        "Labels": escape(f"from {metrics['source']}"),
        "Network": escape(f"{metrics['arch']} at {side} × {side} pixels, {tell_start(metrics['recipe'])}"),
        "Recipe": escape(_tell_recipe(metrics)),
        "Machine": escape(_tell_machine(metrics)),
        "Time": _tell_time(metrics),
        "Money": tell_cost(metrics) or "not known: no price an hour was given",
    }
    recipe = {name: escape(show_value(value)) for name, value in metrics["recipe"].items()}
    return list_facts(facts) + fold("Every option", list_facts(recipe))


def tell_start(recipe: Mapping[str, Any]) -> str:
    """Say what a network knew before it was trained."""
    if recipe["start_from"]:
        return f"started from an earlier model ({Path(recipe['start_from']).name})"
    return "started from weights learnt on ImageNet" if recipe["pretrained"] else "trained from scratch"


def tell_parts(metrics: Mapping[str, Any]) -> str:
    """Say which images were for what."""
    images, folds = metrics["images"], metrics["recipe"]["folds"]
    if folds:
        return (
            f"{folds}-fold cross-validation: each network learnt from about {images['train']:,} images, was watched on"
            f" {images['validation']:,}, and was tested on the rest, so that each image was tested once"
        )
    return f"{images['train']:,} to train, {images['validation']:,} to validate, {images['test']:,} to test"


def tell_cost(metrics: Mapping[str, Any]) -> str:
    """Say what the machine cost, or nothing where no price was known."""
    cost = metrics["cost"]
    return f"{cost['usd']:,.2f} USD at {cost['usd_per_hour']:g} USD an hour" if cost else ""


def _tell_classes(by_class: Mapping[str, int]) -> str:
    shown = [f"{show_label(label)} {number:,}" for label, number in list(by_class.items())[:SHOWN_CLASSES]]
    more = len(by_class) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _tell_recipe(metrics: Mapping[str, Any]) -> str:
    return (
        f"preset {metrics['preset']}, {count(metrics['epochs'], 'epoch')} ({count(metrics['steps'], 'step')}), batch"
        f" size {metrics['batch_size']}, learning rate {metrics['learning_rate']:g}, seed {metrics['seed']}"
    )


def _tell_machine(metrics: Mapping[str, Any]) -> str:
    several = f", {metrics['processes']} processes" if metrics["processes"] > 1 else ""
    return f"{metrics['device']}, {metrics['precision']}{several}, torch {metrics['torch']}"


def _tell_time(metrics: Mapping[str, Any]) -> str:
    waited = metrics.get("data_wait_seconds", 0.0) / max(metrics["training_seconds"], 1e-9)
    return (
        f"{format_duration(metrics['seconds'])}, {format_duration(metrics['training_seconds'])} of it training;"
        f" {metrics['images_per_second']:,.0f} images per second while training"
        + (f", {100 * waited:.1f} % of the time waiting for images" if waited >= 0.005 else "")
    )
