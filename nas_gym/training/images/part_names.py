"""Which folders' names are those of parts (``seg_train``, ``Val2017``, …), not of classes.

Used by ``nas_gym.training.images.folders``, which refuses to take one for the other.
"""

import re
import unicodedata
from collections.abc import Collection
from typing import Literal, NamedTuple

_SET = ("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "split", "part")
_END = r"(?:s|ing|ed|set|data|images?|imgs?|pics?|split|part)*"
_TRAIN = re.compile(rf"(?:pre)?tr(?:ai)?n(?:val)?{_END}")
_HELD_OUT = re.compile(
    rf"(?:test|tst|val|valid|validation|validate|validating|dev|devel|eval|evaluate|evaluation"
    rf"|development|holdout|heldout|withheld|inference|predict|submission|unseen|oot){_END}"
)
_OTHER = re.compile(rf"(?:un|non)?label(?:l)?ed{_END}|unsupervised|(?:split|subset|shard)\d*")
_FOLD = re.compile(r"k?(?:fold|split|subset|shard)s?\d+")
_SHORT = {"tr", "va", "vl", "te", "ts"}  # parts only where there is nothing else: languages, too
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Images in one folder, what is said of them in another.
_BESIDE = re.compile(
    r"(?:jpeg|jpg|png|raw|color|rgb)?(?:images?|imgs?|pics?|pictures?|photos?)"
    r"|(?:gt|ground_?truth|segmentation|bounding)?_?(?:labels?|annotations?|annots?|masks?|boxes|"
    r"bbox(?:es)?|targets?|captions?|xmls?|jsons?|class)"
)


# How words of other languages begin that mean the same, without accents.
_TRAIN_ELSEWHERE = (
    "entrenamiento entrenar entrainement apprentissage lernen lerndaten uben ubung "  # es, fr, de
    "addestramento allenamento treino treinamento treinar "  # it, pt
    "trening uczacy uczace uczenie trenink trenovaci trenovacie "  # pl, cs, sk
    "traning traening træning koulutus opetus tanito tanulo betanitas antrenament antrenare "
    "egitim latih pelatihan huanluyen "  # tr, id, vi
    "обуч тренир учебн навчальн тренувальн εκπαιδευσ אימון تدريب التدريب آموزش اموزش प्रशिक्षण ฝึก "
    "训练 訓練 学習 學習 培训 훈련 학습"
)
_HELD_OUT_ELSEWHERE = (
    "prueba prova prufung pruf essai validacion validacao validazione validierung validatie "
    "walidacj validac validering validointi evaluacion evaluatie avaliacao valutazione convalida "
    "verifica collaudo teste testes tester testy testowy testowe testovaci testdaten testbilder "
    "testmenge testi teszt utvardering auswertung dogrulama uji pengujian validasi kiemtra "
    "тест провер валид контрол оценк перевир валидац δοκιμ επικυρωσ ελεγχ "
    "בדיקה מבחן תיקוף אימות اختبار الاختبار تحقق التحقق آزمون ازمون परीक्षण सत्यापन ทดสอบ ตรวจสอบ "
    "测试 測試 验证 驗證 检验 评估 評価 検証 テスト 시험 테스트 검증 평가"
)


class _Part(NamedTuple):
    kind: Literal["train", "held out", "other"]
    rest: tuple[str, ...]  # the other words of the name, without numbers


def are_parts(names: Collection[str]) -> bool:
    """Return whether folders of these names are parts of the data, not classes.

    So they are if all look like parts, or if two differ only in that one says "train" and the
    other "test" or the like; case, numbers and what else a name says do not count.
    """
    if not names:
        return False
    parts = [_part_of(name) for name in names]
    if all(parts) or (len(names) > 1 and {name.casefold() for name in names} <= _SHORT):
        return True
    if len(names) > 1 and all(_BESIDE.fullmatch(_plain(name)) for name in names):
        return True
    training = {part.rest for part in parts if part and part.kind == "train"}
    return any(part and part.kind == "held out" and part.rest in training for part in parts)


def plain_name(name: str) -> str:
    """Return a name without what people do not see: case, accents' coding, blanks at its ends."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _bare(text: str) -> str:
    """Return letters without accents and other marks."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c for c in letters if not unicodedata.category(c).startswith("M"))


def _beginnings(words: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, _bare(words).casefold().split())))


_ELSEWHERE: dict[Literal["train", "held out"], re.Pattern[str]] = {
    "train": _beginnings(_TRAIN_ELSEWHERE), "held out": _beginnings(_HELD_OUT_ELSEWHERE)
}  # fmt: skip


def _part_of(name: str) -> _Part | None:
    """Return which part a name means; None for a class."""
    words = [word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", _bare(name)))]
    if _FOLD.fullmatch("".join(words)):
        return _Part("other", ())
    words = [word for word in words if not word.isdecimal()]
    for place, word in enumerate(words):
        rest = tuple(w for w in (*words[:place], *words[place + 1 :]) if w not in _SET)
        if _TRAIN.fullmatch(word):
            return _Part("train", rest)
        if _HELD_OUT.fullmatch(word):
            return _Part("held out", rest)
        if _OTHER.fullmatch(word) and not rest:
            return _Part("other", rest)
    for kind, beginnings in _ELSEWHERE.items():
        if words and beginnings.match("".join(words)):
            return _Part(kind, ())
    return None
