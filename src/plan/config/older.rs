//! Keys of older documents, each translated into what says it now. This is the only place that knows them, beside plain
//! renamings (`alias`).

use super::{Config, OutputConfig};
use crate::base::error::{Error, Result, suggestion};

/// The formats of older documents, with the endings of their files.
const FORMATS: [(&str, &str); 5] =
    [("json", "json"), ("csv", "csv"), ("html", "html"), ("markdown", "md"), ("junit", "xml")];

impl Config {
    /// The configuration with older keys translated.
    ///
    /// # Errors
    /// Usage error where one says what another key says too, or what is not possible.
    pub(super) fn without_older_keys(mut self) -> Result<Self> {
        let tuning = self.benchmarking.autotuning_enabled.take();
        only("benchmarking: autotuning_enabled", tuning, "autotuning", &mut self.autotuning)?;
        let timeout = self.benchmarking.timeout_seconds.take();
        only("benchmarking: timeout_seconds", timeout, "timeout", &mut self.timeout)?;
        let sizes = [
            ("tp", self.tensor_parallel_size.take()),
            ("dp", self.data_parallel_size.take()),
            ("pp", self.pipeline_parallel_size.take()),
        ];
        let axes = sizes.into_iter().filter_map(|(axis, size)| Some(format!("{axis}={}", size?)));
        let shape = Some(axes.collect::<Vec<_>>().join(",")).filter(|shape| !shape.is_empty());
        let sizes = "tensor_parallel_size, data_parallel_size or pipeline_parallel_size";
        only(sizes, shape, "mesh: shape", &mut self.mesh.shape)?;
        let formats = self.output_formats.take();
        self.output.name_files(formats)?;
        Ok(self)
    }
}

impl OutputConfig {
    /// Names a file for each of the formats.
    fn name_files(&mut self, formats: Option<Vec<String>>) -> Result<()> {
        let mut named = formats;
        let default = self.default_format.take().map(|format| vec![format]);
        only("output: default_format", default, "output_formats", &mut named)?;
        if self.include_raw_data.take() == Some(false) {
            return Err(Error::usage(
                "output: include_raw_data is false, and samples are always kept, in the report or beside it; leave it out",
            ));
        }
        let mut files = Vec::new();
        for format in named.iter().flatten() {
            let known = FORMATS.iter().find(|(name, _)| name == format);
            let (_, ending) = known.ok_or_else(|| {
                let names = FORMATS.iter().map(|(name, _)| *name);
                Error::usage(format!(
                    "output format '{format}' is not known; {}",
                    suggestion(format, names)
                ))
            })?;
            files.push(format!("results.{ending}").into());
        }
        if self.generate_plots.take() == Some(true) && self.files.is_none() {
            let page = "results.html".into();
            if named.is_none() {
                files.push("results.json".into());
            }
            if !files.contains(&page) {
                files.push(page);
            }
        }
        let files = Some(files).filter(|files| !files.is_empty());
        only("output_formats", files, "output: files", &mut self.files)
    }
}

/// Sets what an older key says, unless the newer one says something too.
fn only<T>(older: &str, value: Option<T>, newer: &str, to: &mut Option<T>) -> Result<()> {
    match (value, &to) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => {
            Err(Error::usage(format!("'{older}' and '{newer}' say the same; leave out '{older}'")))
        }
        (value, None) => {
            *to = value;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::config::Quantity;

    #[test]
    fn a_configuration_of_older_documents_is_read_as_it_is() {
        let text = "hardware: {gpu_arch: auto, gpu_count: auto, memory_size_gb: auto, memory_bandwidth_gbps: auto}\n\
                    benchmarking: {warmup_iterations: 5, timing_iterations: 100, statistical_significance: 0.95, \
                    max_variance_percent: 5.0, timeout_seconds: 3600}\n\
                    precision_policies: ['bf16@accum(fp32)']\n\
                    optimization_levels: [O3]\n\
                    output_formats: [json, csv]\n\
                    autotuning_enabled: true\n\
                    tensor_parallel_size: 2\ndata_parallel_size: 4\n\
                    name: nightly\ndescription: as every night";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.output.files, Some(vec!["results.json".into(), "results.csv".into()]));
        assert_eq!(config.timeout, Some(Quantity::Number(3600.0)));
        assert_eq!(config.mesh.shape.as_deref(), Some("tp=2,dp=4"));
        assert_eq!((config.autotuning, config.name.as_deref()), (Some(true), Some("nightly")));
        // What is written again has none of them, and is the same.
        let written = serde_json::to_string(&config).unwrap();
        assert!(!written.contains("output_formats") && !written.contains("timeout_seconds"));
        assert_eq!(Config::parse(&written).unwrap(), config);
        let wizard = "precision: [fp16]\noutput: {default_format: html, include_raw_data: true, generate_plots: true}";
        let config = Config::parse(wizard).unwrap();
        assert_eq!(config.output.files, Some(vec!["results.html".into()]));
        let plots = Config::parse("output: {generate_plots: true}").unwrap();
        assert_eq!(plots.output.files, Some(vec!["results.json".into(), "results.html".into()]));
    }

    #[test]
    fn what_is_said_twice_or_cannot_be_is_refused() {
        for (text, expected) in [
            ("output_formats: [jso]", "did you mean 'json'?"),
            ("output_formats: [json]\noutput: {files: [a.json]}", "leave out 'output_formats'"),
            ("timeout: 5\nbenchmarking: {timeout_seconds: 5}", "say the same"),
            ("mesh: {shape: tp=2}\ntensor_parallel_size: 2", "say the same"),
            ("output: {include_raw_data: false}", "samples are always kept"),
            ("hardware: {gpu_arch: sm_90}", "described by a topology"),
            ("hardware: {gpu_count: 8}", "hardware is found out"),
        ] {
            let why = Config::parse(text).unwrap_err().message;
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
