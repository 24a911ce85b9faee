"""By hand: what is pooled, what each answer does, and that nothing judged is ever lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace import Collection, Document
from samespace.errors import InputError
from samespace.evaluate.testset import by_hand, read_testset
from samespace.evaluate.testset.hand import JUDGEMENTS, Answer, pool
from samespace.evaluate.testset.session import Session
from samespace.models import HashEmbedder
from samespace.types import Hit

TEXTS = {
    "rotation": "Signing keys are rotated every ninety days.",
    "loss": "A lost signing key is revoked at once by two operators.",
    "backup": "Backups run every night and are kept for thirty days.",
    "restore": "Restoring one table from a backup takes an hour.",
    "audit": "The auditors read the access log of every quarter.",
    "lunch": "Lunch is served at noon in the old workshop.",
}


class Script:
    """A judge that reads its answers from lists, and notes what it was shown."""

    def __init__(self, answers: Sequence[Answer], questions: Sequence[str] = ()) -> None:
        self.answers = list(answers)
        self.questions = list(questions)
        self.shown: list[tuple[str, str]] = []

    def question(self) -> str | None:
        return self.questions.pop(0) if self.questions else None

    def grade(self, query: str, hit: Hit, seen: int, total: int) -> Answer:
        assert 0 <= seen < total
        self.shown.append((query, hit.chunk.document))
        return self.answers.pop(0) if self.answers else "quit"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with Collection.create(tmp_path_factory.mktemp("hand") / "kb", HashEmbedder()) as made:
        made.add([Document(id, text) for id, text in TEXTS.items()])
        yield made


def test_the_pool_is_both_searches_each_document_once(collection: Collection) -> None:
    query = "how long are backups kept"
    found = [hit.chunk.document for hit in pool(collection, query, 3, 0)]
    assert len(found) == len(set(found))
    assert set(found) == {
        hit.chunk.document
        for mode in ("dense", "lexical")
        for hit in collection.search(query, 3, mode=mode, by_document=True)  # type: ignore[arg-type]
    }
    assert found == [hit.chunk.document for hit in pool(collection, query, 3, 0)]


def test_the_place_does_not_tell_the_search(collection: Collection) -> None:
    first = Counter()
    for seed in range(60):
        query = "restoring lunch"
        dense, lexical = (
            collection.search(query, 1, mode=mode).hits[0].chunk.document  # type: ignore[arg-type]
            for mode in ("dense", "lexical")
        )
        if dense == lexical:
            pytest.skip("both searches agree")
        first[pool(collection, query, 3, seed)[0].chunk.document == dense] += 1
    assert 15 < first[True] < 45


def test_grades_become_judgements(collection: Collection, tmp_path: Path) -> None:
    judge = Script([2, 1, "skip", "next", "next", 0, 1, 0, "quit"])
    queries = ["how often are keys rotated", "who cooks", "when do backups run", "audits of logs"]
    made = by_hand(collection, tmp_path / "set", judge, queries=queries, depth=4, tune_share=0)
    assert made is not None
    shown = [document for query, document in judge.shown if query == queries[0]]
    assert made.qrels.judgements["q00001"] == {shown[0]: 2, shown[1]: 1}
    assert made.made["dropped"] == {"not finished": 2, "nothing relevant found": 1}
    assert read_testset(tmp_path / "set") == made


def test_what_is_asked_for_when_there_are_no_queries(
    collection: Collection, tmp_path: Path
) -> None:
    judge = Script([1, "next", 2, "next"], ["  when do  backups run ", "signing keys", ""])
    made = by_hand(collection, tmp_path / "set", judge, tune_share=1)
    assert made is not None
    assert [query.text for query in made.queries] == ["when do backups run", "signing keys"]


def test_undo_reaches_back_over_questions(collection: Collection, tmp_path: Path) -> None:
    judge = Script([1, "next", "undo", 2, "next", 1, "undo", 0, "quit"])
    by_hand(collection, tmp_path / "set", judge, queries=["backups", "keys"], depth=3, tune_share=0)
    first = judge.shown[0]
    assert [shown for shown in judge.shown if shown == first] == [first] * 2
    session = Session(tmp_path / "set" / JUDGEMENTS)
    assert dict(session.judged("backups")) == {first[1]: 2}
    assert list(session.judged("keys").values()) == [0]
    session.close()


def test_it_goes_on_where_it_stopped(collection: Collection, tmp_path: Path) -> None:
    queries = ["signing keys", "backups every night"]
    whole = Script([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    by_hand(collection, tmp_path / "whole", whole, queries=queries, depth=4, tune_share=0)
    parts: list[tuple[str, str]] = []
    for answers in ([2], [0, 0], [], [0, 1, 0], [0] * 12):
        judge = Script([*answers, "quit"])
        by_hand(collection, tmp_path / "set", judge, queries=queries, depth=4, tune_share=0)
        parts += judge.shown[: len(answers)]
    assert parts == whole.shown
    assert read_testset(tmp_path / "set").qrels == read_testset(tmp_path / "whole").qrels


def test_a_split_that_cannot_be_keeps_every_judgement(
    collection: Collection, tmp_path: Path
) -> None:
    answers: list[Answer] = [2, "next"]
    with pytest.raises(InputError, match=r"every judgement is saved in .* of 1 questions 1 hang"):
        by_hand(collection, tmp_path / "set", Script(answers), queries=["signing keys"])
    made = by_hand(collection, tmp_path / "set", Script([]), queries=[], tune_share=0)
    assert made is not None
    assert made.made["splits"]["test"] == 1


def test_documents_graded_0_do_not_forbid_a_split(collection: Collection, tmp_path: Path) -> None:
    queries = ["rotated every ninety days", "backups run every night"]
    wanted = {queries[0]: "rotation", queries[1]: "backup"}

    class Knows(Script):
        def grade(self, query: str, hit: Hit, seen: int, total: int) -> Answer:
            return 2 if hit.chunk.document == wanted[query] else 0

    made = by_hand(collection, tmp_path / "set", Knows([]), queries=queries, depth=6)
    assert made is not None
    assert made.made["splits"] == {"tune": 1, "test": 1, "disjoint_by": "relevant documents"}


def test_documents_that_are_gone_do_not_tie_questions_together(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "kb", HashEmbedder()) as made:
        made.add([Document(id, text) for id, text in TEXTS.items()])
        asked = ["rotated signing keys", "backups are kept", "lunch at noon", "auditors read"]
        first = by_hand(made, tmp_path / "set", Script([2, "next"] * 4), queries=asked)
        assert first is not None
        gone = [next(iter(judged)) for judged in first.qrels.judgements.values()]
        made.delete(gone)
        again = by_hand(made, tmp_path / "set", Script([]), queries=asked)
        assert again is not None
    assert again.made["splits"] == first.made["splits"]


def test_what_was_tuned_on_never_comes_to_the_test(collection: Collection, tmp_path: Path) -> None:
    words = ("rotated", "operators", "thirty", "restoring", "auditors", "noon")
    wanted = dict(zip(words, TEXTS, strict=True))

    class Knows(Script):
        def grade(self, query: str, hit: Hit, seen: int, total: int) -> Answer:
            return 2 if hit.chunk.document == wanted[query] else "skip"

    sides: list[dict[str, object]] = []
    for last in range(2, 7):
        made = by_hand(collection, tmp_path / "set", Knows([]), queries=words[:last], depth=6)
        assert made is not None
        sides.append({query.text: query.metadata["split"] for query in made.queries})
    assert len(sides[-1]) == 6
    for before, after in pairwise(sides):
        assert {q for q in before if before[q] == "tune"} <= {
            q for q in after if after[q] == "tune"
        }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from("ab")),
        st.tuples(
            st.just("judge"), st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 2)
        ),
        st.tuples(st.just("done"), st.sampled_from("ab")),
        st.tuples(st.just("undo")),
    )
)


@given(STEPS, st.integers(0, 40))
def test_a_session_that_was_cut_off_is_the_session_before(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]], lost: int
) -> None:
    path = tmp_path_factory.mktemp("session") / "judgements.jsonl"
    session = Session(path)
    states = []
    for kind, *values in steps:
        states.append((path.stat().st_size, _state(session)))
        if kind == "judge" and (
            values[0] not in session.queries or values[1] in session.judged(str(values[0]))
        ):
            continue  # only what is shown is judged, and what was judged is not shown
        getattr(session, str(kind))(*values)
    states.append((path.stat().st_size, _state(session)))
    session.close()
    kept = path.read_bytes()[: max(0, path.stat().st_size - lost)]
    path.write_bytes(kept)
    whole = kept.rfind(b"\n") + 1
    again = Session(path)
    assert _state(again) == next(state for size, state in states if size == whole)
    again.close()


def _state(session: Session) -> list[tuple[str, bool, dict[str, int | None]]]:
    return [(q, session.is_done(q), dict(session.judged(q))) for q in session.queries]


def test_a_file_that_is_no_session(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"step": "judge", "query": "never opened"}\n')
    with pytest.raises(InputError, match="no file of a session"):
        Session(tmp_path / "a")
    (tmp_path / "b").write_text("[]\n")
    with pytest.raises(InputError, match=r"b:1: expected a JSON object"):
        Session(tmp_path / "b")
