#!/bin/sh
# Every kind of request, with curl alone. GATEWAY is another address; a key goes along as -H "Authorization: Bearer $KEY".
set -eu
gateway=${GATEWAY:-http://127.0.0.1:11434}

ask() {
    path=$1
    shift
    echo "== $path"
    curl --silent --show-error --fail-with-body "$gateway$path" "$@"
    echo
}

ask /api/version
ask /api/tags

# A stream, line by line, and the same in one piece.
ask /api/chat -d '{"model": "demo", "messages": [{"role": "user", "content": "What is 6*7?"}]}'
ask /api/generate -d '{"model": "demo", "prompt": "What is 6*7?", "stream": false}'

# A tool, a schema, vectors.
ask /api/chat -d '{
  "model": "demo",
  "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
  "tools": [{"type": "function", "function": {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
  }}],
  "stream": false
}'
ask /api/chat -d '{
  "model": "demo",
  "messages": [{"role": "user", "content": "Alice is 22 years old."}],
  "format": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]},
  "stream": false
}'
ask /api/embed -d '{"model": "demo-embed", "input": ["a text", "another"], "dimensions": 8}'

# OpenAI's API: server-sent events, each with its JSON behind "data: ".
ask /v1/models
ask /v1/chat/completions -d '{"model": "demo", "messages": [{"role": "user", "content": "What is 6*7?"}], "stream": true}'
