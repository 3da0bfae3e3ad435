"""Which language a text is in, where that can be known, and which ones a model reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusemine.tasks.embed.languages import languages_of, model_languages

ENGLISH = "The aircraft struck a flock of gulls on takeoff, no damage was found."
GERMAN = "Das Flugzeug kollidierte beim Start mit einem Vogel."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (ENGLISH.upper(), "en"),
        (GERMAN, "de"),
        (GERMAN.upper(), "de"),
        ("L'avion a heurté une mouette pendant le décollage.", "fr"),
        ("飞机在起飞时撞上了一只鸟。", "zh"),
        ("飞机起飞撞鸟了", "zh"),
        ("鳥が衝突しました", "ja"),
        ("새가 비행기에 부딪혔습니다", "ko"),
        ("اصطدمت الطائرة بطائر أثناء الإقلاع", "ar"),
        ("המטוס פגע בציפור בזמן ההמראה", "he"),
    ],
)
def test_the_language_of_a_sentence_is_found(text: str, language: str) -> None:
    assert languages_of([text]) == [language]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "Vogel im Triebwerk",
        "飞机撞鸟了",
        "1234567890 " * 9,
        "😀🦅✈️ " * 9,
        "\ud83d",
        "\ud800" * 40,
        "\x00" * 40,
        "xkqz vvrt wpfj zzgh bnml qwrt",
    ],
    ids=ascii,
)
def test_what_is_short_or_no_language_has_none(text: str) -> None:
    assert languages_of([text]) == [""]


def test_each_text_has_its_own_language_in_order() -> None:
    assert languages_of([GERMAN, "", ENGLISH]) == ["de", "", "en"]
    assert languages_of([]) == []


@pytest.mark.parametrize("between", ["\n", "\r\n", "\u2028", " 😀 ", " \ud83d "])
def test_ends_of_lines_emoji_and_halves_of_them_do_not_matter(between: str) -> None:
    assert languages_of([between.join(GERMAN.split())]) == ["de"]


def test_the_first_300_characters_of_a_text_decide() -> None:
    assert languages_of([GERMAN * 6 + ENGLISH * 1000]) == ["de"]
    assert languages_of([f"{'4711 ' * 20}{GERMAN}"]) == ["de"]
    assert languages_of([f"{'4711 ' * 60}{GERMAN}"]) == [""]


@given(st.lists(st.text(st.characters(), max_size=400), max_size=3))
def test_no_text_is_refused(texts: list[str]) -> None:
    assert len(languages_of(texts)) == len(texts)


@pytest.mark.parametrize(
    ("front_matter", "languages"),
    [
        ("language: en", ["en"]),
        ("language: [en, de]", ["en", "de"]),
        ("language:\n- en\n- EN-us\n- yue\n- code", ["en", "yue"]),
        ("language: DE", ["de"]),
        ("language: no", ["no"]),
        ("language: multilingual", None),
        ("language: [en, multilingual]", None),
        ("language: english", None),
        ("language: []", None),
        ("language:", None),
        ("license: mit", None),
        ("- en", None),
        ("language: [", None),
        ("language: en\ndate: 2024-13-45", None),
        ("", None),
    ],
)
def test_the_front_matter_of_a_model_names_its_languages(
    tmp_path: Path, front_matter: str, languages: list[str] | None
) -> None:
    (tmp_path / "README.md").write_text(f"---\n{front_matter}\n---\n# A model\n\nlanguage: fr\n")
    assert model_languages(tmp_path) == languages


@pytest.mark.parametrize(
    "readme", [b"", b"# A model\n---\nlanguage: en\n---\n", b"---\nlanguage: en"]
)
def test_without_front_matter_the_languages_of_a_model_are_unknown(
    tmp_path: Path, readme: bytes
) -> None:
    assert model_languages(tmp_path) is None
    (tmp_path / "README.md").write_bytes(readme)
    assert model_languages(tmp_path) is None


def test_a_readme_of_another_system_is_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\r\nlanguage: de\r\n---\r\nf\xfcr Texte")
    assert model_languages(tmp_path) == ["de"]
