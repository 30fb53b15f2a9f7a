// Answers from documents: embed them, find the one that fits a question, ask with it (npm install ollama).
import { Ollama } from 'ollama'

const ollama = new Ollama({ host: process.env.OLLAMA_HOST ?? 'http://127.0.0.1:11434' })
const documents = [
  'The gateway listens on port 11434 unless PROXY_PORT says otherwise.',
  'Keys of clients stand in API_KEYS, separated by commas.',
  'A backend may be silent for REQUEST_TIMEOUT seconds.',
]
const question = 'Which port does the gateway listen on?'

const product = (one, other) => one.reduce((sum, number, at) => sum + number * other[at], 0)
const closeness = (one, other) => product(one, other) / Math.sqrt(product(one, one) * product(other, other))

const { embeddings } = await ollama.embed({ model: 'demo-embed', input: [...documents, question] })
const wanted = embeddings.pop()
const [best] = documents
  .map((text, at) => ({ text, score: closeness(embeddings[at], wanted) }))
  .sort((one, other) => other.score - one.score)
console.log(`Found: ${best.text}`)

const { message } = await ollama.chat({
  model: 'demo',
  messages: [
    { role: 'system', content: `Answer from this alone.\n\n${best.text}` },
    { role: 'user', content: question },
  ],
})
console.log(message.content)
