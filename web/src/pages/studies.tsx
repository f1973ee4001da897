import { Panel } from "../components/Panel.js";
import { AllStudies } from "../parts/AllStudies.js";

export default function Studies() {
  return <div class="page"><Panel title="Studies" wide><AllStudies /></Panel></div>;
}
