import type {
  AnalyzeOptions,
  ConvolutionAnalysis,
  ConvolutionSource,
  MatrixAnalysis,
  MatrixSource,
} from "../linalg/analyze.ts";

/** The two numerical questions an audit asks; injected so that tests can answer them with known numbers. */
export interface Engine {
  analyzeMatrix(source: MatrixSource, options: AnalyzeOptions): Promise<MatrixAnalysis>;
  analyzeConvolution(source: ConvolutionSource, options: AnalyzeOptions): Promise<ConvolutionAnalysis>;
}

/** The real engine, loaded when first needed so that reading a header does not pay for the kernels. */
export async function loadEngine(): Promise<Engine> {
  const { analyzeMatrix, analyzeConvolution } = await import("../linalg/analyze.ts");
  return { analyzeMatrix, analyzeConvolution };
}
