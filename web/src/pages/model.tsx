import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Model() {
  return <div class="page"><Panel title="Model" wide><AllTrials /></Panel></div>;
}
