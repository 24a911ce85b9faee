"""Images where texts stand: sent as the providers' own clients send them, and never mixed up."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samespace.errors import InputError
from samespace.models.hosted import Budget, HostedEmbedder
from tests.models.hosted.api import vector

pytest.importorskip("httpx")
PIL = pytest.importorskip("PIL.Image")

KEY = "sk-of-the-pictures"
MODELS = {
    "cohere": "embed-v4.0",
    "voyage": "voyage-multimodal-3",
    "gemini": "gemini-embedding-2",
    "jina": "jina-embeddings-v4",
}


def picture(shade: int, form: str = "PNG", **options: Any) -> bytes:
    """Return an image file: one colour with a darker corner."""
    image = PIL.new("RGB", (56, 40), (shade, 128, 255 - shade))
    image.paste((0, 0, 0), (0, 0, 8, 8))
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


class Recorder(ThreadingHTTPServer):
    """Answers each input by a vector of what it holds, in the form of the provider."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.dimensions = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        inputs = body.get("texts") or body.get("images") or body.get("inputs")
        inputs = inputs or body.get("input") or [one["content"] for one in body["requests"]]
        rows = [vector(_held(one), "", self.server.dimensions).tolist() for one in inputs]
        data = [{"index": i, "embedding": row} for i, row in enumerate(rows)]
        usage = {"total_tokens": 5, "text_tokens": 0, "image_pixels": 9, "video_pixels": 0}
        answer: dict[str, Any] = {"object": "list", "data": data, "usage": usage}
        if self.path.startswith("/v2/"):
            answer = {"id": "1", "response_type": "embeddings_by_type", "embeddings": {}}
            answer["embeddings"]["float"] = rows
        if "batchEmbedContents" in self.path:
            answer = {"embeddings": [{"values": row} for row in rows]}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _held(one: Any) -> str:
    """Return the text or the base64 of an input, in whatever form a provider has it."""
    if isinstance(one, str):
        return one.rsplit("base64,", 1)[-1]
    if isinstance(one, list):
        return _held(one[0])
    for name in ("content", "parts", "text", "image_base64", "image_url", "url", "inline_data"):
        if name in one:
            return _held(one[name])
    # The client of Gemini has the URL-safe alphabet, which its interface reads as well.
    return str(one.get("data") or one["image"]).replace("-", "+").replace("_", "/")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    for name in ("CO_API_KEY", "VOYAGE_API_KEY", "GOOGLE_API_KEY", "JINA_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def embedder(recorder: Recorder, model: str, **options: Any) -> HostedEmbedder:
    made = HostedEmbedder(model, base_url=recorder.url, **options)
    recorder.dimensions = made.space.dimensions
    return made


@pytest.mark.parametrize("name", MODELS)
def test_texts_and_images_keep_their_places(name: str, recorder: Recorder, tmp_path: Path) -> None:
    made = embedder(recorder, MODELS[name])
    assert made.space.modality == "text+image"
    file = tmp_path / "on disk.png"
    file.write_bytes(picture(90))
    upright = PIL.open(io.BytesIO(picture(30)))
    inputs: list[Any] = ["one", picture(10), "two", file, upright, "three", picture(20, "JPEG")]
    got = made.embed(inputs, "document").array
    prompt = made.space.prompt("document") if name == "gemini" else ""
    held = [f"{prompt}{one}" for one in ("one", "two", "three")]
    expected = {0: held[0], 2: held[1], 5: held[2]} | {
        i: base64.b64encode(one).decode()
        for i, one in ((1, picture(10)), (3, picture(90)), (6, picture(20, "JPEG")))
    }
    for i, text in expected.items():
        np.testing.assert_allclose(got[i], vector(text, "", got.shape[1]), atol=1e-6)
    sent = PIL.open(io.BytesIO(base64.b64decode(_images(recorder)[2])))
    np.testing.assert_array_equal(np.asarray(sent), np.asarray(upright))
    assert made.count(inputs)[1] == 0
    assert made.usage.dollars is None
    assert len(recorder.asked) == 5, "the texts together, each image by itself"


def _images(recorder: Recorder) -> list[str]:
    """Return the images of all requests, in the order of their shades: 10, 20, 30, 90."""
    found = [_held(_inputs(body)[0]) for _, body in recorder.asked if len(_inputs(body)) == 1]
    return sorted(found, key=lambda one: _shade(base64.b64decode(one)))


def _inputs(body: dict[str, Any]) -> list[Any]:
    found = body.get("texts") or body.get("inputs") or body.get("input")
    return found or [one["content"] for one in body["requests"]]


def _shade(file: bytes) -> int:
    return int(np.asarray(PIL.open(io.BytesIO(file)).convert("RGB"))[-1, -1, 0])


def _cohere(url: str, file: bytes) -> None:
    cohere = pytest.importorskip("cohere")
    shown = {"url": f"data:image/png;base64,{base64.b64encode(file).decode()}"}
    with cohere.ClientV2(api_key=KEY, base_url=url) as client:
        client.embed(
            model="embed-v4.0",
            inputs=[{"content": [{"type": "image_url", "image_url": shown}]}],
            input_type="search_document",
            embedding_types=["float"],
            truncate="NONE",
        )


def _cohere_v3(url: str, file: bytes) -> None:
    cohere = pytest.importorskip("cohere")
    with cohere.ClientV2(api_key=KEY, base_url=url) as client:
        client.embed(
            model="embed-english-v3.0",
            images=[f"data:image/png;base64,{base64.b64encode(file).decode()}"],
            input_type="image",
            embedding_types=["float"],
            truncate="NONE",
        )


def _voyage(url: str, file: bytes) -> None:
    voyageai = pytest.importorskip("voyageai")
    shown = f"data:image/png;base64,{base64.b64encode(file).decode()}"
    voyageai.Client(api_key=KEY, base_url=url, max_retries=1).multimodal_embed(
        [{"content": [{"type": "image_base64", "image_base64": shown}]}],
        model="voyage-multimodal-3",
        input_type="document",
        truncation=False,
    )


def _gemini(url: str, file: bytes) -> None:
    genai = pytest.importorskip("google.genai")
    options = genai.types.HttpOptions(base_url=url, api_version="v1beta")
    with genai.Client(api_key=KEY, http_options=options) as client:
        part = genai.types.Part.from_bytes(data=file, mime_type="image/png")
        client.models.embed_content(
            model="gemini-embedding-2", contents=[genai.types.UserContent(part)]
        )


@pytest.mark.parametrize(
    ("model", "client"),
    [
        ("embed-v4.0", _cohere),
        ("embed-english-v3.0", _cohere_v3),
        ("voyage-multimodal-3", _voyage),
        ("gemini-embedding-2", _gemini),
    ],
)
def test_requests_are_the_clients_own(
    model: str, client: Callable[[str, bytes], None], recorder: Recorder
) -> None:
    file = picture(77)
    embedder(recorder, model).embed([file], "document")
    client(recorder.url, file)
    (ours, sent), (theirs, expected) = recorder.asked
    assert ours == theirs
    held = [_held(_any(body)) for body in (sent, expected)]
    assert held[0] == held[1] == base64.b64encode(file).decode()
    assert _plain(sent) == _plain(expected)


def _any(body: dict[str, Any]) -> Any:
    return body["images"][0] if "images" in body else _inputs(body)[0]


def _plain(body: Any) -> Any:
    """Return a request without what is null, in one alphabet of base64."""
    if isinstance(body, dict):
        return {k: _plain(v) for k, v in body.items() if v is not None}
    if isinstance(body, list):
        return [_plain(one) for one in body]
    return body.replace("-", "+").replace("_", "/") if isinstance(body, str) else body


def test_what_a_camera_turned_is_sent_upright(recorder: Recorder) -> None:
    exif = PIL.Exif()
    exif[0x0112] = 6
    turned = picture(50, "JPEG", exif=exif)
    embedder(recorder, MODELS["voyage"]).embed([turned], "query")
    sent = PIL.open(io.BytesIO(base64.b64decode(_images(recorder)[0])))
    assert (sent.size, sent.format) == ((40, 56), "PNG")
    assert recorder.asked[0][1]["input_type"] == "query"


def test_other_files_become_png(recorder: Recorder) -> None:
    embedder(recorder, MODELS["jina"]).embed([picture(50, "BMP")], "document")
    assert PIL.open(io.BytesIO(base64.b64decode(_images(recorder)[0]))).format == "PNG"


def test_what_is_no_image_is_found_before_anything_is_sent(recorder: Recorder) -> None:
    made = embedder(recorder, MODELS["voyage"])
    with pytest.raises(InputError, match="image 2 cannot be read"):
        made.embed(["text", picture(1), b"no image"], "document")
    with pytest.raises(InputError, match=r"pass \[image\]"):
        made.embed(picture(1), "document")  # type: ignore[arg-type]
    assert recorder.asked == []


@pytest.mark.parametrize("model", ["text-embedding-3-small", "voyage-4", "mistral-embed"])
def test_a_model_of_texts_refuses_images(model: str) -> None:
    with pytest.raises(InputError, match=f"image 1: {model} takes no images"):
        HostedEmbedder(model).embed(["text", picture(1)], "document")


def test_a_budget_for_images_is_one_of_tokens(recorder: Recorder) -> None:
    made = embedder(recorder, MODELS["voyage"], budget=Budget(dollars=1.0))
    with pytest.raises(InputError, match="no price of images"):
        made.embed([picture(1)], "document")
    assert recorder.asked == []
    assert made.embed(["a text"], "document").array.shape == (1, 1024)
    made = embedder(recorder, MODELS["voyage"], budget=Budget(tokens=100))
    made.embed([picture(1)], "document")
    assert made.usage.tokens == 5
