"""How a model was made: in short for a reader, and every option for somebody who wants to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from model.console import count, format_duration
from model.report.markup import fold, get, list_facts, show_label, show_value


def draw_facts(metrics: Mapping[str, Any]) -> str:
    """Return images, network, recipe, machine, time and money, then every option."""
    facts = {
        "Images": _tell_images(metrics),
        "Classes": _tell_classes(metrics),
        "Labels": escape(f"from {metrics['source']}") if metrics.get("source") else "",
        "Network": escape(
            f"{metrics['arch']} at {metrics['image_size']} × {metrics['image_size']} pixels{_tell_start(metrics)}"
        ),
        "Recipe": _tell_recipe(metrics),
        "Machine": escape(_tell_machine(metrics)),
        "Time": _tell_time(metrics),
        "Money": _tell_money(metrics),
    }
    recipe = {name: escape(show_value(value)) for name, value in (metrics.get("recipe") or {}).items()}
    return list_facts(facts) + fold("Every option", list_facts(recipe) if recipe else "")


def _tell_start(metrics: Mapping[str, Any]) -> str:
    if get(metrics, "recipe", "start_from"):
        return ", from an earlier model"
    return ", from pretrained weights" if get(metrics, "recipe", "pretrained") else ""


def _tell_images(metrics: Mapping[str, Any]) -> str:
    images = metrics.get("images") or {}
    if not images:
        return ""
    folds = get(metrics, "recipe", "folds")
    used = f"{images['used']:,}"
    if folds:
        return f"{used}; {folds} networks, each tested on the part that it had not seen"
    return f"{used}: {images['train']:,} to train, {images['validation']:,} to validate, {images['test']:,} to test"


def _tell_classes(metrics: Mapping[str, Any]) -> str:
    by_class = get(metrics, "images", "by_class") or {}
    shown = [f"{show_label(label)} {number:,}" for label, number in list(by_class.items())[:20]]
    return ", ".join(shown) + (f" and {len(by_class) - 20:,} more" if len(by_class) > 20 else "")


def _tell_recipe(metrics: Mapping[str, Any]) -> str:
    preset = f"preset {metrics['preset']}, " if metrics.get("preset") else ""
    steps = f" ({count(metrics['steps'], 'step')})" if metrics.get("steps") else ""
    return escape(
        f"{preset}{count(metrics['epochs'], 'epoch')}{steps}, batch size {metrics['batch_size']}, "
        f"learning rate {metrics['learning_rate']:g}, seed {metrics['seed']}"
    )


def _tell_machine(metrics: Mapping[str, Any]) -> str:
    processes = metrics.get("processes") or 1
    several = f", {processes} processes" if processes > 1 else ""
    return f"{metrics['device']}, {metrics['precision']}{several}, torch {metrics['torch']}"


def _tell_time(metrics: Mapping[str, Any]) -> str:
    training = metrics.get("training_seconds")
    within = f", {format_duration(training)} of it training" if training else ""
    return (
        f"{format_duration(metrics['seconds'])}{within}; {metrics['images_per_second']:,.0f} images per second while "
        "training"
    )


def _tell_money(metrics: Mapping[str, Any]) -> str:
    cost = metrics.get("cost")
    if not cost:
        return "not known: no price an hour was given"
    return f"{cost['usd']:,.2f} USD at {cost['usd_per_hour']:g} USD an hour"
