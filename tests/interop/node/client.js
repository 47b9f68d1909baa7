// A Node client of the contract, as the tests run it: one subcommand a test, JSON on standard output.
import process from 'node:process';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const [what, address, protos, callers, calls] = process.argv.slice(2);
const PATIENCE_MS = 30_000;

const { llmsvc } = grpc.loadPackageDefinition(
  protoLoader.loadSync('llmsvc/v1/llm.proto', {
    includeDirs: [protos],
    keepCase: true,
    enums: String,
    oneofs: true,
  }),
);
// google.rpc and grpc.health.v1, as far as they are read here.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message FieldViolation { string field = 1; string description = 2; string reason = 3; }
  message BadRequest { repeated FieldViolation field_violations = 1; }
  message HealthCheckRequest { string service = 1; }
  message HealthCheckResponse { enum Serving { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; } Serving status = 1; }
`);

const service = new llmsvc.v1.LLMService(address, grpc.credentials.createInsecure());
const question = { messages: [{ role: 'ROLE_USER', parts: [{ text: 'hi' }] }] };
const deadline = () => ({ deadline: Date.now() + PATIENCE_MS });

function explained(error) {
  const said = { code: grpc.status[error.code] };
  const [status] = error.metadata.get('grpc-status-details-bin');
  for (const detail of status ? root.lookupType('Status').decode(status).details : []) {
    const kind = detail.typeUrl.split('.').pop();
    if (kind === 'ErrorInfo') {
      said.reason = root.lookupType(kind).decode(detail.value).reason;
    } else if (kind === 'BadRequest') {
      const { fieldViolations } = root.lookupType(kind).decode(detail.value);
      said.fields = fieldViolations.map((violation) => violation.field);
    }
  }
  return said;
}

function chat(request) {
  return new Promise((resolve) => {
    service.Chat(request, deadline(), (error, answer) => {
      resolve(
        error
          ? explained(error)
          : {
              text: answer.message.parts.map((part) => part.text).join(''),
              kind: answer.route.provider_kind,
            },
      );
    });
  });
}

const ask = (request) =>
  new Promise((resolve, reject) => {
    service.Chat(request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
  });

// A tool's round trip: the model calls, its turn and the result go back, it answers.
async function tool() {
  const schema = JSON.stringify({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  });
  const tools = [{ function: { name: 'get_weather', parameters_json_schema: schema } }];
  const first = await ask({ ...question, tools });
  const { tool_call: call } = first.message.parts[0];
  const result = { tool_call_id: call.id, content: 'rain' };
  const turns = [first.message, { role: 'ROLE_TOOL', parts: [{ tool_result: result }] }];
  const last = await ask({ messages: [...question.messages, ...turns], tools });
  return {
    reason: first.finish_reason,
    name: call.name,
    arguments: JSON.parse(call.arguments_json),
    text: last.message.parts[0].text,
  };
}

async function schema() {
  const person = { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] };
  const answer = await ask({
    ...question,
    response_format: { json_schema: { name: 'person', schema_json: JSON.stringify(person) } },
  });
  return {
    document: JSON.parse(answer.message.parts[0].text),
    conforming: answer.output_checks.map((check) => check.conforming),
  };
}

function stream(afterText) {
  return new Promise((resolve) => {
    const said = { kinds: [], text: '' };
    const call = service.ChatStream(question, deadline());
    call.on('data', (event) => {
      said.kinds.push(event.event);
      if (event.event === 'delta') {
        said.text += event.delta.text;
        afterText(call);
      } else if (event.event === 'completed') {
        said.kind = event.completed.route.provider_kind;
      }
    });
    call.on('error', (error) => resolve({ ...said, ...explained(error) }));
    call.on('end', () => resolve(said));
  });
}

function health(name) {
  const [request, answer] = ['Request', 'Response'].map((one) => root.lookupType(`HealthCheck${one}`));
  return new Promise((resolve) => {
    service.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (value) => Buffer.from(request.encode(value).finish()),
      (bytes) => answer.toObject(answer.decode(bytes), { enums: String }),
      { service: name },
      deadline(),
      (error, said) => resolve(error ? explained(error) : said),
    );
  });
}

// Many callers, each with one call after the other: how many calls ended how.
async function crowd(call, isAnswer) {
  const ends = {};
  let left = Number(calls);
  const caller = async () => {
    while (left-- > 0) {
      const said = await call();
      const end = isAnswer(said) ? 'OK' : (said.reason ?? said.code ?? 'cut');
      ends[end] = (ends[end] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: Number(callers) }, caller));
  return ends;
}

const run = {
  chat: () => chat(question),
  stream: () => stream(() => {}),
  refused: () => chat({}),
  tool,
  schema,
  leave: () => stream((call) => call.cancel()),
  ready: () => health('readiness'),
  unknown: () => health('no-such-name'),
  chats: () => crowd(() => chat(question), (said) => said.text),
  streams: () => crowd(() => stream(() => {}), (said) => said.kind),
};
console.log(JSON.stringify(await run[what]()));
service.close();
