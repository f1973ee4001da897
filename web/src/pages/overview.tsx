import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Overview() {
  return <div class="page"><Panel title="Overview" wide><AllTrials /></Panel></div>;
}
