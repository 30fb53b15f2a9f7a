// Without any package: a stream of OpenAI's API, read by fetch, and left as soon as enough has come.
const gateway = process.env.OLLAMA_HOST ?? 'http://127.0.0.1:11434'
const enough = new AbortController()
const response = await fetch(`${gateway}/v1/chat/completions`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'What is 6*7?' }], stream: true }),
  signal: enough.signal,
})
if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)

const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
let rest = ''
let words = 0
while (words < 8) {
  const { done, value } = await reader.read()
  if (done) break
  const events = (rest + value).split('\n\n')
  rest = events.pop()
  for (const event of events) {
    const data = event.replace(/^data: /, '')
    if (data === '[DONE]') continue
    process.stdout.write(JSON.parse(data).choices[0]?.delta.content ?? '')
    words += 1
  }
}
// Whatever is still to come is not wanted: the gateway, and the backend behind it, stop at once.
reader.closed.catch(() => {})
enough.abort()
process.stdout.write('\n')
