// A tool that the model may call, and an answer that uses its result (npm install ollama).
import { Ollama } from 'ollama'

const ollama = new Ollama({ host: process.env.OLLAMA_HOST ?? 'http://127.0.0.1:11434' })
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'Get the weather in a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
]
const run = { get_weather: ({ city }) => (city === 'Paris' ? 'clear' : 'cloudy') }

const messages = [{ role: 'user', content: 'What is the weather in Paris?' }]
for (;;) {
  const { message } = await ollama.chat({ model: 'demo', messages, tools })
  messages.push(message)
  if (!message.tool_calls?.length) {
    console.log(message.content)
    break
  }
  for (const { function: call } of message.tool_calls) {
    console.log(`${call.name}(${JSON.stringify(call.arguments)})`)
    messages.push({ role: 'tool', tool_name: call.name, content: run[call.name](call.arguments) })
  }
}
