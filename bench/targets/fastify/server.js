'use strict'
// node server.js ENTRY PORT: Fastify with schemas on, and onnxruntime on the same model.onnx.

const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const fastify = require('fastify')
const ort = require('onnxruntime-node')

const FEATURES = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width']
const number = { type: 'number' }
const text = { type: 'string' }
const object = (properties) => ({
  type: 'object', properties, required: Object.keys(properties), additionalProperties: false
})
const rows = {
  type: 'array', minItems: 1, maxItems: 10000,
  items: { type: 'array', items: number, minItems: FEATURES.length, maxItems: FEATURES.length }
}

async function main (entry, port) {
  const manifest = JSON.parse(readFileSync(join(entry, 'manifest.json'), 'utf8'))
  const classes = manifest.card.signature.classes
  const session = await ort.InferenceSession.create(join(entry, 'model.onnx'), {
    intraOpNumThreads: 1, interOpNumThreads: 1
  })
  const [input] = session.inputNames

  async function labels (values) {
    const shape = [values.length / FEATURES.length, FEATURES.length]
    const { label } = await session.run({ [input]: new ort.Tensor('float32', values, shape) }, ['label'])
    return Array.from(label.data, (index) => classes[Number(index)])
  }

  const app = fastify({ logger: false, bodyLimit: 2 << 20 })
  app.post('/predict', {
    schema: {
      body: object(Object.fromEntries(FEATURES.map((name) => [name, number]))),
      response: { 200: object({ prediction: text }) }
    }
  }, async ({ body }) => {
    const [prediction] = await labels(Float32Array.from(FEATURES, (name) => body[name]))
    return { prediction }
  })
  app.post('/predict/batch', {
    schema: {
      body: object({ instances: rows }),
      response: { 200: object({ predictions: { type: 'array', items: text } }) }
    }
  }, async ({ body }) => {
    const width = FEATURES.length
    const values = new Float32Array(body.instances.length * width)
    body.instances.forEach((row, index) => values.set(row, index * width))
    return { predictions: await labels(values) }
  })
  await app.listen({ host: '127.0.0.1', port })
}

main(process.argv[2], Number(process.argv[3])).catch((error) => {
  console.error(error.message)
  process.exit(1)
})
