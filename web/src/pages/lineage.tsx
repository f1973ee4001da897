import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";

export default function Lineage() {
  return <div class="page"><Panel title="Lineage" wide><AllTrials /></Panel></div>;
}
