import { Type } from 'typebox';

export const MetricsSchema = Type.String({
  $id: 'Metrics',
  description: 'Prometheus text format 0.0.4. docs/OPERATIONS.md lists every metric.',
});

export const exampleMetrics = `# HELP holdfast_pipes Live pipes by state.
# TYPE holdfast_pipes gauge
holdfast_pipes{state="open"} 1840
holdfast_pipes{state="interrupted"} 2
`;
