// A streamed answer (npm install ollama).
import { Ollama } from 'ollama'

const ollama = new Ollama({ host: process.env.OLLAMA_HOST ?? 'http://127.0.0.1:11434' })
const stream = await ollama.chat({
  model: 'demo',
  messages: [{ role: 'user', content: 'What is 6*7?' }],
  stream: true,
})
for await (const part of stream) process.stdout.write(part.message.content)
process.stdout.write('\n')
