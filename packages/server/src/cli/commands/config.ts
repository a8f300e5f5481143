import type { Command } from '../command.ts';
import { HUB_OPTIONS, hubConfig } from '../hub-config.ts';

export const configCheck: Command = {
  name: 'config check',
  summary: 'Checks a configuration and lists every problem.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  options: HUB_OPTIONS,
  examples: [{ command: 'polycast config check --config polycast.yaml', description: 'before a restart' }],
  async run(input, { out, style }) {
    const { origins } = await hubConfig(input);
    const { FIELDS } = await import('../../config/reference.ts');
    out(`${style('green', 'valid')}: ${origins.size} of ${FIELDS.length} fields set, the others have their defaults`);
    return 'done';
  },
};

export const configPrint: Command = {
  name: 'config print',
  summary: 'Prints the effective configuration, and where each field was set.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  options: HUB_OPTIONS,
  examples: [{ command: 'POLYCAST_DRAIN_TIME_MS=0 polycast config print', description: 'including the environment' }],
  async run(input, { out }) {
    const { config, origins } = await hubConfig(input);
    const { configWithOrigins } = await import('../../config/annotated.ts');
    out(configWithOrigins(config, origins).trimEnd());
    return 'done';
  },
};

export const configReference: Command = {
  name: 'config reference',
  summary: 'Prints every field with its default and description, as a file to start from.',
  usage: '',
  argumentsMin: 0,
  argumentsMax: 0,
  options: {},
  examples: [{ command: 'polycast config reference > polycast.yaml', description: 'a file to edit' }],
  async run(_input, { out }) {
    const { annotatedConfig } = await import('../../config/annotated.ts');
    out(annotatedConfig().trimEnd());
    return 'done';
  },
};
