export {
  analyzeConvolution,
  type ConvolutionAnalysis,
  type ConvolutionSource,
} from "./analyze-convolution.ts";
export { analyzeMatrix } from "./analyze-matrix.ts";
export type { AnalyzeOptions, MatrixAnalysis } from "./analyze-options.ts";
export type { MatrixSource } from "./matrix-source.ts";
