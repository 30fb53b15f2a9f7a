"""The routes of `/api/*` and what the document says of them."""

from gateway.exchange import Dialect
from gateway.openapi import ollama_examples as shown
from gateway.openapi import refusals
from gateway.openapi.ollama_answers import (
    ChatAnswer,
    ChatChunk,
    Embedded,
    GenerateAnswer,
    GenerateChunk,
    OldEmbedded,
    OllamaError,
    OllamaStreamError,
    Progress,
    Ps,
    Recommendations,
    ServerVersion,
    Shown,
    SignInError,
    Status,
    Tags,
)
from gateway.openapi.operation import (
    EVENTS,
    JSON,
    LINES,
    Answer,
    Body,
    Content,
    Operation,
    Operations,
    Parameter,
    answered,
    asked,
    in_path,
    json_content,
)
from gateway.schemas import ollama

ASKING = "Ollama: answers"
MODELS = "Ollama: models"
CLOUD = "Ollama: hosted service"

DELIVERY = Parameter(
    "X-Gateway-Delivery",
    "header",
    "When a stream is shown: as it comes, guarded after its beginning, or whole once it is complete. Unset: DELIVERY.",
    {"type": "string", "enum": ["live", "guarded", "whole"]},
    "live",
)
_DIGEST = Parameter(
    "digest",
    "path",
    "SHA-256 of the bytes.",
    {"type": "string", "pattern": "^sha256[:-][0-9a-fA-F]{64}$"},
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)
_STREAMS = (
    "Unless `stream` is false, the answer comes in lines, each a JSON object; the last one has `done`. The same "
    "objects come as server-sent events where Accept is exactly `text/event-stream`. An answer that breaks off ends "
    "with a line that has `error`, and none with `done`."
)
_FORM = {
    "type": "object",
    "required": ["request"],
    "properties": {
        "request": {"type": "string", "description": "The JSON of the request.", "contentMediaType": JSON},
        "image": {
            "type": "array",
            "description": "Files that are added to the images of the last message of a user, or of the prompt.",
            "items": {"type": "string", "format": "binary"},
        },
    },
}
_MANAGED = "Models belong to the backend. "


def _generation(path: str, request: type[ollama.OllamaRequest], wording: tuple[str, str]) -> Operation:
    """Return what `/api/chat` and `/api/generate` share."""
    chat = path == "chat"
    chunk, end = (ChatChunk, ChatAnswer) if chat else (GenerateChunk, GenerateAnswer)
    examples = shown.CHAT if chat else shown.GENERATE
    items = (chunk, end, OllamaStreamError)
    events = {name: shown.as_events(text) for name, text in examples.lines.items()}
    answer = Answer(
        "The answer, whole or in lines.",
        (
            Content(JSON, examples.answers, end),
            Content(LINES, examples.lines, items=items),
            Content(EVENTS, events, items=items),
        ),
        explained=True,
    )
    form = Content("multipart/form-data", {"an image beside it": shown.FORM[path]}, schema=_FORM)
    return Operation(
        path,
        ASKING,
        wording[0],
        f"{wording[1]} {_STREAMS}",
        (answer,),
        (*refusals.INFERENCE, "no_model", "cannot", "option"),
        Body((Content(JSON, examples.requests, request), form), "JSON, or a form with images beside it."),
        (DELIVERY,),
    )


def _managing(
    name: str, summary: str, meaning: str, request: type[ollama.OllamaSchema], lines: str, *errors: str
) -> Operation:
    """Return what `pull` and `push` share."""
    answer = Answer(
        "Every step in a line, or the last one alone.",
        (
            json_content(Progress, done={"status": "success"}),
            Content(LINES, {"steps": lines}, items=(Progress, OllamaError)),
        ),
    )
    body = asked(request, lines={"model": "demo"}, one_piece={"model": "demo", "stream": False})
    return Operation(name, MODELS, summary, _MANAGED + meaning, (answer,), (*refusals.BODY, "progress", *errors), body)


def _hosted(name: str, summary: str, **example: dict[str, str]) -> Operation:
    """Return a route of the hosted service, which is switched off."""
    return Operation(
        name,
        CLOUD,
        f"{summary} (refused)",
        "The hosted service is switched off.",
        (),
        (*refusals.BODY, "no_body", "no_cloud"),
        Body((Content(JSON, example, schema={"type": "object"}),), "JSON: only that there is one is checked."),
    )


OPERATIONS: Operations = {
    ("POST", "/api/chat"): _generation("chat", ollama.ChatRequest, shown.CHAT_WORDS),
    ("POST", "/api/generate"): _generation("generate", ollama.GenerateRequest, shown.GENERATE_WORDS),
    ("POST", "/api/embed"): Operation(
        "embed",
        ASKING,
        "Make vectors of texts",
        "The vectors have length 1. Long lists are split into as many requests as the backend wants.",
        (Answer("A vector a text.", (json_content(Embedded, two_texts=shown.EMBEDDED),), explained=True),),
        (*refusals.INFERENCE, "no_model", "option"),
        asked(ollama.EmbedRequest, two_texts={"model": "demo-embed", "input": ["a", "b"], "dimensions": 4}),
    ),
    ("POST", "/api/embeddings"): Operation(
        "embeddings",
        ASKING,
        "Make a vector of a text (older form)",
        "The vector is as the backend gives it. `/api/embed` is the newer form.",
        (
            Answer(
                "A vector.", (json_content(OldEmbedded, one_text={"embedding": [0.5, -0.5, 0.5, 0.5]}),), explained=True
            ),
        ),
        (*refusals.INFERENCE, "no_model", "option"),
        asked(ollama.EmbeddingsRequest, one_text={"model": "demo-embed", "prompt": "a"}),
        deprecated=True,
    ),
    ("GET", "/api/tags"): Operation(
        "list_models",
        MODELS,
        "List the models",
        "What the backends list, and virtual models, the newest first.",
        answered("The models.", Tags, one_model=shown.TAGS),
        refusals.LISTING,
    ),
    ("POST", "/api/show"): Operation(
        "show_model",
        MODELS,
        "Show one model",
        "What its backend tells of it, and what its name gives away.",
        answered("The model.", Shown, demo=shown.SHOWN),
        (*refusals.BODY, *refusals.LISTING, "no_model", "unknown_model"),
        asked(ollama.ShowRequest, demo={"model": "demo"}),
    ),
    ("GET", "/api/ps"): Operation(
        "list_running_models",
        MODELS,
        "List the loaded models",
        "Those of which the backends say so; most do not say.",
        answered("The models.", Ps, none_is_known={"models": []}, one_model=shown.PS),
    ),
    ("POST", "/api/pull"): _managing(
        "pull_model",
        "Pull a model",
        "Reports success and pulls nothing; with MODEL_MANAGEMENT strict an unknown model is an error.",
        ollama.PullRequest,
        shown.PULLED,
        "no_name",
        *refusals.LISTING,
    ),
    ("POST", "/api/push"): _managing(
        "push_model",
        "Push a model",
        "Reports success and pushes nothing; with MODEL_MANAGEMENT strict it is an error.",
        ollama.PushRequest,
        shown.PUSHED,
        "no_model",
        "not_pushed",
        *refusals.LISTING,
    ),
    ("DELETE", "/api/delete"): Operation(
        "delete_model",
        MODELS,
        "Delete a model",
        f"{_MANAGED}Reports success and changes nothing; with MODEL_MANAGEMENT strict it is an error.",
        (Answer("Agreed to. There is no body."),),
        (*refusals.BODY, *refusals.LISTING, "no_name", "unknown_model", "not_deleted"),
        asked(ollama.DeleteRequest, demo={"model": "demo"}),
    ),
    ("POST", "/api/copy"): Operation(
        "copy_model",
        MODELS,
        "Copy a model (refused)",
        f"{_MANAGED}MODEL_MAPPING_FILE gives one another name.",
        (),
        (*refusals.BODY, *refusals.LISTING, "no_name", "unknown_model", "not_copied"),
        asked(ollama.CopyRequest, another_name={"source": "demo", "destination": "mine"}),
    ),
    ("POST", "/api/create"): Operation(
        "create_model",
        MODELS,
        "Make a model (refused)",
        f"{_MANAGED}MODEL_MAPPING_FILE makes virtual ones, with a system message, options and messages.",
        (),
        (*refusals.BODY, "no_name", "not_created"),
        asked(
            ollama.CreateRequest, with_a_system_message={"model": "mario", "from": "demo", "system": "You are Mario."}
        ),
    ),
    ("HEAD", "/api/blobs/{digest}"): Operation(
        "has_blob",
        MODELS,
        "Tell whether there is a blob",
        "There never is: nothing that is uploaded is kept.",
        (),
        ("no_digest", "no_blob"),
        parameters=(_DIGEST,),
    ),
    ("POST", "/api/blobs/{digest}"): Operation(
        "upload_blob",
        MODELS,
        "Upload a blob",
        "Up to 1 GiB. The digest is checked, then the bytes are forgotten.",
        (Answer("The bytes have this digest. There is no body.", status=201),),
        ("no_digest", "coding"),
        Body(
            (
                Content(
                    "application/octet-stream", {"nothing at all": ""}, schema={"type": "string", "format": "binary"}
                ),
            ),
            "The bytes.",
            required=False,
        ),
        (_DIGEST,),
    ),
    ("GET", "/api/version"): Operation(
        "ollama_version",
        MODELS,
        "Tell the version of Ollama's API",
        "Not the gateway's own: clients refuse servers that are too old.",
        answered("The version.", ServerVersion, version={"version": "0.32.15"}),
    ),
    ("GET", "/api/status"): Operation(
        "cloud_status",
        CLOUD,
        "Tell the state of the hosted service",
        "It is switched off.",
        answered("Switched off.", Status, switched_off={"cloud": {"disabled": True, "source": "config"}}),
    ),
    ("GET", "/api/experimental/model-recommendations"): Operation(
        "recommended_models",
        CLOUD,
        "Recommend models",
        "None is recommended.",
        answered("None.", Recommendations, none={"recommendations": []}),
    ),
    ("POST", "/api/me"): Operation(
        "who_am_i",
        CLOUD,
        "Tell who is signed in",
        "Nobody is. A body is not looked at.",
        (
            Answer(
                "Nobody is signed in, or a key is missing.",
                (
                    json_content(
                        SignInError,
                        nobody={"error": "unauthorized", "signin_url": ""},
                        without_a_key=refusals.body_of("key", Dialect.OLLAMA),
                    ),
                ),
                status=401,
            ),
        ),
    ),
    ("POST", "/api/signout"): Operation(
        "sign_out",
        CLOUD,
        "Sign out",
        "Nobody is signed in. A body is not looked at.",
        (),
        ("signed_out",),
    ),
    ("DELETE", "/api/user/keys/{key}"): Operation(
        "delete_signed_in_key",
        CLOUD,
        "Sign a machine out",
        "Nobody is signed in.",
        (),
        ("signed_out",),
        parameters=in_path("key", "The machine's key.", "c3NoLWVkMjU1MTk"),
    ),
    ("POST", "/api/experimental/web_search"): _hosted(
        "web_search", "Search the web", question={"query": "what is new"}
    ),
    ("POST", "/api/experimental/web_fetch"): _hosted("web_fetch", "Fetch a page", page={"url": "https://example.com"}),
}
